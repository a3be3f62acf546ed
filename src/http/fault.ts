/**
 * What may be said about a fault. Messages of PostgreSQL and of decoders quote the values they choke on (addresses,
 * hashes, tokens), and so do drizzle's; of those the log gets everything but the words.
 */
import pg from 'pg';
import { DrizzleQueryError } from '../db/drizzle.ts';

const CAUSES_MAX = 4;

/** A fault as fields of the log: its kind, the place, and its words only where these are ours or the system's. */
export function faultOf(error: unknown, causes = CAUSES_MAX): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const known = { name: error.name, ...wordsOf(error), stack: framesOf(error) };
  return error.cause === undefined || causes === 0 ? known : { ...known, cause: faultOf(error.cause, causes - 1) };
}

function wordsOf(error: Error): Record<string, unknown> {
  if (error instanceof pg.DatabaseError) {
    const { code: sqlstate, severity, schema, table, column, constraint, routine, where } = error;
    // PL/pgSQL's own account of where it was quotes statements, not values; COPY's quotes the row.
    const at = where?.startsWith('PL/pgSQL') ? where.split('\n', 1)[0] : undefined;
    return { sqlstate, severity, schema, table, column, constraint, routine, at };
  }
  if (error instanceof DrizzleQueryError) return { query: error.query };
  if (error instanceof SyntaxError || error.name === 'ZodError') return {};
  const { code } = error as NodeJS.ErrnoException;
  return { message: error.message, ...(typeof code === 'string' && { error: code }) };
}

/** The frames of the stack; its first lines repeat the message. */
function framesOf({ stack = '' }: Error): string[] {
  return stack.split('\n').flatMap((line) => (line.startsWith('    at ') ? [line.slice(7)] : []));
}
