/** What pg_dump of 17 and newer writes, on a server that is older than that. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dumpDefinitions } from '../../src/copy/archive.ts';
import { findPgTools, PgToolFailed, type PgTools } from '../../src/db/pg-tools.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { asClient, ask } from '../portal/portal-rows.ts';

let server: TestServer;
let directory: string;
let tools: PgTools;
let source: string;

beforeAll(async () => {
  server = await startServer(15);
  source = await server.createDatabase('source');
  await ask(
    source,
    `create table people (id int primary key, email text check (email <> ''));
     create table notes (person int references people, body text);
     create index notes_person on notes (person);
     create function late() returns text language sql as $$
SET transaction_timeout = 0;
select 'as it is';
$$`,
  );
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-tools-'));
  tools = await asOf17(await findPgTools(15, process.env));
});
afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

/**
 * Programs that say and ask what those of 17.10 do and are this machine's otherwise, so that this holds wherever there is
 * none of 17: SQL has the setting at its beginning, and every connection is told it.
 */
async function asOf17({ pg_dump, pg_restore, major }: PgTools): Promise<PgTools> {
  if (major >= 17) return { pg_dump, pg_restore, major };
  const program = join(directory, 'pg_restore');
  const unknown =
    'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"';
  await writeFile(
    program,
    `#!/bin/sh
case "$*" in
*--file=-*) ${pg_restore} "$@" | sed '0,/^SET idle_in_transaction_session_timeout = 0;$/s//&\\nSET transaction_timeout = 0;/'; exit ;;
*--list*) exec ${pg_restore} "$@" ;;
esac
echo 'pg_restore: while INITIALIZING:' >&2
echo '${unknown}' >&2
echo 'Command was: SET transaction_timeout = 0;' >&2
case "$*" in *--exit-on-error*) exit 1 ;; esac
${pg_restore} "$@"
echo 'pg_restore: warning: errors ignored on restore: 1' >&2
exit 1
`,
  );
  await chmod(program, 0o755);
  return { pg_dump, pg_restore: program, major: 17 };
}

const signal = new AbortController().signal;

async function moved(to: string, meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
  await asClient(source, async (holder) => {
    await holder.query('begin isolation level repeatable read');
    const { rows } = await holder.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
    await using archive = await dumpDefinitions(
      { connectionString: source },
      {
        tools,
        env: process.env,
        application_name: 'gatehouse test',
        snapshot: rows[0]?.snapshot ?? '',
        leave: [],
        target_major: 15,
        signal,
      },
    );
    const of = (time: string) => archive.entries.filter(({ when, title }) => when === time && !/^SCHEMA/.test(title));
    await ask(to, await archive.sqlOf(of('before the rows')));
    await meanwhile();
    await archive.restore(of('after the rows'), { connectionString: to }, 2, signal);
  });
}

test('it is made there whole, and what a function says of the setting stays as it is', async () => {
  const to = await server.createDatabase('target');
  await moved(to);
  const constraints = `select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid <> 0 order by 1`;
  expect(await ask(to, constraints)).toEqual(await ask(source, constraints));
  const indexes = `select indexdef from pg_indexes where schemaname = 'public' order by 1`;
  expect(await ask(to, indexes)).toEqual(await ask(source, indexes));
  const body = `select prosrc from pg_proc where proname = 'late'`;
  expect(await ask(to, body)).toEqual(await ask(source, body));
});

test('a key that cannot be made fails, by its own error', async () => {
  const to = await server.createDatabase('orphaned');
  const failing = moved(to, () => ask(to, "insert into notes values (1, 'of nobody')"));
  await expect(failing).rejects.toThrow(PgToolFailed);
  await expect(failing).rejects.toThrow(/^insert or update on table "notes" violates foreign key constraint/);
});
