/** Rows from the source to the target: as a stream of COPY, never as values of this program. */
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { explain, MigrationFailure, type Side } from './failure.ts';
import { columnList, sourceRows, targetTable } from './row.sql.ts';
import type { Source } from './source.sql.ts';
import type { TableShape } from './tables.ts';

const NEWLINE = 10;
/** Of COPY's binary form: signature, flags, and the length of an extension that there is not. */
const BINARY_HEADER = 19;

export interface CopyOptions {
  /** Where the rows go: the table itself or one that stands in for it. */
  into: string;
  /** Values have one binary form on both sides. */
  binary: boolean;
  /** Called with the number of rows passed on so far, as often as a piece of the stream arrives. */
  onRows: (rows: number) => void;
  /** Gives up when not one byte has moved for so long. */
  stall_seconds: number;
}

/**
 * Copies all rows of the source's snapshot and resolves to their number. In binary form where both sides read it alike:
 * making and reading the text of timestamps and ids is a third of what a row costs.
 *
 * @throws MigrationFailure that names the side which failed.
 */
export async function copyRows(
  { copier, side: sourceSide }: Source,
  target: pg.ClientBase,
  targetSide: Side,
  shape: TableShape,
  { into, binary, onRows, stall_seconds }: CopyOptions,
): Promise<number> {
  const form = binary ? 'with (format binary)' : '';
  const reading = copier.query(copyTo(`copy (${sourceRows(shape)}) to stdout ${form}`));
  const writing = target.query(copyFrom(`copy ${into} (${columnList(shape)}) from stdin ${form}`));
  let failed: unknown;
  reading.once('error', (error) => {
    failed ??= explain(error, sourceSide);
  });
  writing.once('error', (error) => {
    failed ??= explain(error, targetSide);
  });

  const countRows = binary ? binaryRowCounter() : textRowCounter();
  let rows = 0;
  const stalled = setTimeout(() => {
    reading.destroy(
      new MigrationFailure('lost', `No data has moved for ${stall_seconds} seconds: source or target hangs.`),
    );
  }, stall_seconds * 1000);
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      stalled.refresh();
      rows += countRows(chunk);
      onRows(rows);
      done(null, chunk);
    },
  });
  try {
    await pipeline(reading, counter, writing);
    return rows;
  } catch (error) {
    throw failed ?? error;
  } finally {
    clearTimeout(stalled);
  }
}

/** Counts the rows that end in a piece of a stream of COPY text. */
function textRowCounter(): (chunk: Buffer) => number {
  return (chunk) => {
    let rows = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) rows += 1;
    return rows;
  };
}

/** Counts the rows that begin in a piece of a binary stream: each is a number of fields, each field a length and as many bytes. */
function binaryRowCounter(): (chunk: Buffer) => number {
  let skip = BINARY_HEADER;
  let fields = 0;
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let rows = 0;
    let at = skip;
    for (;;) {
      const size = fields === 0 ? 2 : 4;
      if (at + size > bytes.length) break;
      if (fields === 0) {
        fields = Math.max(0, bytes.readInt16BE(at));
        if (fields > 0) rows += 1;
        at += size;
      } else {
        fields -= 1;
        at += size + Math.max(0, bytes.readInt32BE(at));
      }
    }
    rest = bytes.subarray(at);
    skip = Math.max(0, at - bytes.length);
    return rows;
  };
}

/** Turns the session's triggers and foreign keys off until the transaction ends or they are turned on again. */
export async function turnTriggers(target: pg.ClientBase, state: 'on' | 'off'): Promise<void> {
  await target.query(`set local session_replication_role = ${state === 'off' ? 'replica' : 'origin'}`);
}

/** Disables a trigger, or enables it again; either locks its table against writers until the transaction ends. */
export async function switchTrigger(
  target: pg.ClientBase,
  table: string,
  name: string,
  state: 'on' | 'off',
): Promise<void> {
  const change = state === 'on' ? 'enable' : 'disable';
  await target.query(`alter table auth.${pg.escapeIdentifier(table)} ${change} trigger ${pg.escapeIdentifier(name)}`);
}

/** Some keys of the rows that are at the target already; none when there are more than `limit`. */
export async function listKeys(target: pg.ClientBase, shape: TableShape, limit: number): Promise<string[] | undefined> {
  const { rows } = await target.query<{ id: string }>(`select id::text from ${targetTable(shape)} limit ${limit + 1}`);
  return rows.length > limit ? undefined : rows.map(({ id }) => id);
}

/** Whether the client's database has a row under one of the keys. */
export async function hasAnyOf(client: pg.ClientBase, shape: TableShape, keys: readonly string[]): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(
    `select exists (select from ${targetTable(shape)} where id::text = any($1::text[])) as found`,
    [keys],
  );
  return rows[0]?.found ?? false;
}

/** Of which tables rows have been imported before. Asked once: while rows are remembered the server knows too little to ask the index. */
export async function listImported(target: pg.ClientBase, shapes: readonly TableShape[]): Promise<Set<string>> {
  const { rows } = await target.query<{ name: string }>(
    `select name from unnest($1::text[]) as name
      where exists (select from gatehouse.migrated_rows where table_name = name)`,
    [shapes.map(({ name }) => name)],
  );
  return new Set(rows.map(({ name }) => name));
}

/** Puts the sequence of refresh token ids past every id that was carried over. */
export async function advanceTokenSequence(target: pg.ClientBase): Promise<void> {
  await target.query(
    `select setval('auth.refresh_tokens_id_seq', greatest(max(t.id), (select last_value from auth.refresh_tokens_id_seq)))
       from auth.refresh_tokens as t
     having max(t.id) is not null`,
  );
}
