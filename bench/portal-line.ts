/** The move of a portal's tables: copied and verified, against a dump and a restore that nobody compares. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createSupabaseSource } from '../test/harness/supabase-source.ts';
import type { Line } from './lines.ts';
import { type Rig, startProcess } from './rig.ts';

const TABLES = ['clients', 'holdings', 'valuations', 'activity'];
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const PEAK_MEMORY = new URL('peak-memory.ts', import.meta.url).href;

/** Some 300 bytes a row, with what portals have: keys, times, money, rates, documents. */
const tableOf = (name: string) => `
  create table public.${name} (
    id uuid primary key default gen_random_uuid(), owner uuid not null, created_at timestamptz not null default now(),
    title text not null, amount numeric(18, 4) not null, rate float8, details jsonb not null default '{}', note text);
  insert into public.${name} (owner, created_at, title, amount, rate, details, note)
  select gen_random_uuid(), now() - n * interval '1 minute', '${name} ' || n, n * 1.0625, random(),
         jsonb_build_object('n', n, 'tags', array['a', 'b'], 'text', md5(n::text)), repeat(md5(n::text), 3)
    from generate_series(1, $1::int) as n;
  create index on public.${name} (owner, created_at)`;

/** Every measurement moves all rows into an empty database. */
export async function portalLine(rig: Rig, resources: AsyncDisposableStack, rows: number): Promise<Line> {
  const source = await createSupabaseSource(rig.adminUrl, { users: 200, portal: false });
  resources.defer(source.drop);
  const client = new pg.Client(source.url);
  await client.connect();
  await client.query('set statement_timeout = 0');
  for (const name of TABLES) for (const sql of tableOf(name).split(';')) await run(client, sql, rows);
  await client.query('analyze');
  await client.end();

  /** Of each step, over all rounds. */
  const peaks = new Map<string, number>();
  const measure = async (commands: (target: string) => [script: string, args: string[]][]) => {
    const target = await rig.freshDatabase();
    await using process_ = new AsyncDisposableStack();
    process_.defer(target.drop);
    const began = performance.now();
    for (const [script, args] of commands(target.url)) {
      const child = startProcess(process_, script, args, {
        env: { ...process.env, SOURCE_URL: source.url, TARGET_URL: target.url },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        execArgv: script === CLI ? ['--import', PEAK_MEMORY] : [],
      });
      child.on('message', ({ peakMemoryMb }: { peakMemoryMb: number }) => {
        const step = args.slice(0, 2).join(' ');
        peaks.set(step, Math.max(peaks.get(step) ?? 0, peakMemoryMb));
      });
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`${script} ${args[1] ?? ''} ended with exit code ${code}`);
    }
    return (TABLES.length * rows) / ((performance.now() - began) / 1000);
  };
  return {
    name: 'portal rows moved',
    ceiling: 'pg_dump | pg_restore',
    get explained() {
      const ceiling = `the same ${TABLES.length} tables of ${rows.toLocaleString('en-US')} rows, pg_dump -Fd -j 2, then pg_restore -j 2; nothing compared`;
      const memory = [...peaks].map(([step, mb]) => `${step} ${Math.round(mb)} MB`).join(', ');
      return `${ceiling}. Ours are copied and verified; memory at most (asked for: 150 MB): ${memory}`;
    },
    target: 1,
    measureCeiling: () => measure(() => [['bare-dump.ts', []]]),
    measureOurs: () =>
      measure((target) => [
        [CLI, ['migrate', 'copy', '--from', source.url, '--to', target, '--apply']],
        [CLI, ['migrate', 'verify', '--from', source.url, '--to', target]],
      ]),
  };
}

function run(client: pg.Client, sql: string, rows: number): Promise<unknown> {
  return sql.includes('$1') ? client.query(sql, [rows]) : client.query(sql);
}
