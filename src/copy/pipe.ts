/** Rows of one table, or of some of its pages, from the source to the target: as bytes, never as values of this program. */
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { MigrationFailure, type Side } from '../migrate/failure.ts';
import { copyStatements, countRows, insertEmptyRows, type PageRange, type PortalTable } from '../portal/tables.sql.ts';
import { askingCopy, explainCopy } from './failure.ts';

/** A connection to read from and one to write to, which work together. */
export interface Pipe {
  source: pg.Client;
  target: pg.Client;
}

export interface PipeOptions {
  sides: { source: Side; target: Side };
  onBytes: (bytes: number) => void;
  /** Gives up when not one byte has moved for so long. */
  stall_seconds: number;
  /** Whose rows they are, as SQL writes it. */
  table?: string;
}

export interface CopyRowsOptions extends PipeOptions {
  /** The servers are of one major version, so that a binary value means the same on both. */
  alike: boolean;
  /** The rows may be written as if they had always been there: the table was emptied in this transaction. */
  freeze: boolean;
}

/**
 * Copies a table's rows, or those of some pages, in the caller's transactions and resolves to their number.
 *
 * @throws MigrationFailure that names the side which failed.
 */
export async function copyRows(
  pipe: Pipe,
  table: PortalTable,
  range: PageRange | undefined,
  options: CopyRowsOptions,
): Promise<number> {
  const { sides, alike, freeze } = options;
  if (table.columns.length === 0) {
    const count = await askingCopy(sides.source, () => countRows(pipe.source, table));
    await askingCopy(sides.target, () => insertEmptyRows(pipe.target, table, count));
    return count;
  }
  const statements = copyStatements(table, range, { binary: alike && table.binary, freeze });
  return pipeRows(pipe, statements, { ...options, table: table.identity });
}

/**
 * Runs two COPY statements into each other and resolves to the number of rows.
 *
 * @throws MigrationFailure that names the side which failed.
 */
export async function pipeRows(
  { source, target }: Pipe,
  statements: { read: string; write: string },
  { sides, onBytes, stall_seconds, table }: PipeOptions,
): Promise<number> {
  const reading = source.query(copyTo(statements.read));
  const writing = target.query(copyFrom(statements.write));
  let failed: unknown;
  reading.once('error', (error) => {
    failed ??= explainCopy(error, sides.source, table);
  });
  writing.once('error', (error) => {
    failed ??= explainCopy(error, sides.target, table);
  });

  const stalled = setTimeout(() => {
    reading.destroy(
      new MigrationFailure(
        'lost',
        `No data has moved for ${stall_seconds} seconds: source or target hangs. Run again.`,
      ),
    );
  }, stall_seconds * 1000);
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      stalled.refresh();
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(reading, counter, writing);
  } catch (error) {
    throw failed ?? error;
  } finally {
    clearTimeout(stalled);
  }
  if (reading.rowCount !== writing.rowCount) {
    const counts = `${reading.rowCount} rows were sent and ${writing.rowCount} arrived`;
    throw new MigrationFailure('unequal', `Rows did not arrive whole (${statements.write}): ${counts}. Run again.`);
  }
  return writing.rowCount ?? 0;
}
