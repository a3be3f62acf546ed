/**
 * `npm run rehearse`: the whole move on a machine that has nothing. Makes a project like those on Supabase and an empty
 * PostgreSQL beside it, and rehearses between them with the real command. `-- --users N` for a project of another size,
 * `-- --portal 'at scale'` for a portal of 550 tables, `-- --out DIRECTORY` to keep the report.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/db/embedded-postgres.ts';
import { version } from '../src/version.ts';
import { setStage } from './demo/stage.ts';
import { createSupabaseSource, type SupabaseSource, type SupabaseSourceOptions } from './harness/supabase-source.ts';

const { values: options } = parseArgs({
  options: {
    users: { type: 'string', default: '10000' },
    portal: { type: 'string' },
    out: { type: 'string' },
  },
});
const users = Number(options.users);
const portal = (options.portal ?? true) as NonNullable<SupabaseSourceOptions['portal']>;
const { screen, directory, ends, perform } = await setStage('rehearsal');

await perform(
  play,
  (seconds) =>
    `Everything held, in ${seconds} s. All of it is stopped and removed again${options.out ? ', but for the report' : ''}.`,
);

async function play(): Promise<void> {
  screen.title(`gatehouse ${version}: a rehearsal of the move`, 'It ends at the first line that does not hold.');

  screen.chapter('What there is: a made-up Supabase project, and an empty PostgreSQL');
  let source: SupabaseSource | undefined;
  await screen.step('the project', async () => {
    const server = await startServer('supabase');
    source = await createSupabaseSource(server.url, { users, portal, present: new Date().toISOString() });
    return describeProject(source.url);
  });
  let target = '';
  await screen.step('the PostgreSQL', async () => {
    target = (await startServer('target')).url;
    return 'empty';
  });
  if (!source) throw new Error('the step above made it');

  screen.chapter('gatehouse migrate rehearse --from postgres://postgres@… --to postgres://…');
  await run([
    'migrate',
    'rehearse',
    '--from',
    source.url,
    '--to',
    target,
    ...(options.out ? ['--out', resolve(options.out)] : []),
  ]);
}

async function startServer(name: string) {
  const server = await startEmbeddedPostgres({ directory: join(directory, name), settings: { fsync: 'off' } });
  ends.defer(server.stop);
  return server;
}

async function describeProject(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ users: number; tables: number }>(
      `select (select count(*)::int from auth.users) as users,
              (select count(*)::int from pg_tables where schemaname in ('public', 'crm', 'Reporting', 'archive')) as tables`,
    );
    return `${rows[0]?.users.toLocaleString('en-US')} users, a portal of ${rows[0]?.tables} tables`;
  } finally {
    await client.end();
  }
}

/** The command as a program of its own, on our screen. */
async function run(args: string[]): Promise<void> {
  const command = spawn(process.execPath, [join(import.meta.dirname, '../src/cli.ts'), ...args], {
    cwd: directory,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  ends.defer(() => {
    command.kill();
  });
  const [code] = await once(command, 'close');
  if (code !== 0) throw new Error(`gatehouse ${args.slice(0, 2).join(' ')} ended with ${code}`);
}
