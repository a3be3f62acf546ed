/** Rows of one table, or of some of its pages, from the source to the target: as bytes, never as values of this program. */
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { MigrationFailure, type Side } from '../migrate/failure.ts';
import { explainCopy } from './failure.ts';
import { copyStatements, countRows, insertEmptyRows, type PageRange, type PortalTable } from './tables.sql.ts';

/** A connection to read from and one to write to, which work together. */
export interface Pipe {
  source: pg.Client;
  target: pg.Client;
}

export interface PipeOptions {
  sides: { source: Side; target: Side };
  /** The servers are of one major version, so that a binary value means the same on both. */
  alike: boolean;
  /** The rows may be written as if they had always been there: the table was emptied in this transaction. */
  freeze: boolean;
  onBytes: (bytes: number) => void;
  /** Gives up when not one byte has moved for so long. */
  stall_seconds: number;
}

/**
 * Copies rows in the caller's transactions and resolves to their number.
 *
 * @throws MigrationFailure that names the side which failed.
 */
export async function copyRows(
  { source, target }: Pipe,
  table: PortalTable,
  range: PageRange | undefined,
  { sides, alike, freeze, onBytes, stall_seconds }: PipeOptions,
): Promise<number> {
  if (table.columns.length === 0) {
    const count = await countRows(source, table);
    await insertEmptyRows(target, table, count);
    return count;
  }
  const statements = copyStatements(table, range, { binary: alike && table.binary, freeze });
  const reading = source.query(copyTo(statements.read));
  const writing = target.query(copyFrom(statements.write));
  let failed: unknown;
  reading.once('error', (error) => {
    failed ??= explainCopy(error, sides.source);
  });
  writing.once('error', (error) => {
    failed ??= explainCopy(error, sides.target);
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
    throw new MigrationFailure('unequal', `${table.identity} did not arrive whole: ${counts}. Run again.`);
  }
  return writing.rowCount ?? 0;
}
