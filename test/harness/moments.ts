/**
 * Random moments at which a command is killed: spread over its whole run, and told by what is seen of it from outside, never by
 * a clock. `GATEHOUSE_TEST_SEED` makes those of an earlier run again.
 */
import pg from 'pg';
import { startCommand } from './program.ts';

export const seed = Number(process.env.GATEHOUSE_TEST_SEED ?? Math.floor(Math.random() * 1_000_000));

/** So many lines that it has said, progress left out, and so many statements that have begun since. */
export interface Moment {
  line: number;
  statements: number;
}

/** More statements than this are seen of it between two lines seldom. */
const STATEMENTS = 8;

/**
 * Moments by the seed, the same number in each part of a run.
 *
 * @param parts the line with which each part begins, and the last one, from 1
 */
export function randomMoments(parts: readonly number[], count: number): Moment[] {
  const chance = chances(seed);
  const below = (limit: number) => Math.floor(chance() * limit);
  const stretches = parts.slice(0, -1).map((first, n) => ({ first, lines: (parts[n + 1] ?? first) - first }));
  const moments = Array.from({ length: count }, (_, n) => {
    const { first, lines } = stretches[n % stretches.length] ?? { first: 1, lines: 1 };
    return { line: first + below(lines), statements: below(STATEMENTS + 1), order: chance() };
  });
  return moments.sort((a, b) => a.order - b.order).map(({ line, statements }) => ({ line, statements }));
}

function chances(from: number): () => number {
  let state = from % 2_147_483_648;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** A line of `--json` that comes more or less often from run to run. */
const isProgress = (line: string) => /"event":"(?:progress|rows_read)"/.test(line);

export const linesOf = (stdout: string) => stdout.split('\n').filter((line) => line !== '' && !isProgress(line));

/** Runs a command that prints with `--json`, and kills it with -9 at a moment; `killed` is false where it ended before. */
export async function killAt(
  args: string[],
  { line, statements }: Moment,
  urls: readonly string[],
): Promise<{ killed: boolean; pid: number; stderr: string }> {
  const clients = urls.map((url) => new pg.Client({ connectionString: url, application_name: 'gatehouse-test' }));
  await Promise.all(clients.map((client) => client.connect()));
  try {
    const program = startCommand(args);
    let ended = false;
    void program.ended.then(() => {
      ended = true;
    });
    await program.says(pattern(line)).catch(() => {});
    await seeStatements(clients, statements, () => ended);
    program.kill('SIGKILL');
    const { signal } = await program.ended;
    return { killed: signal === 'SIGKILL', pid: program.pid, stderr: program.stderr() };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const pattern = (lines: number) =>
  new RegExp(`^(?:(?:.*"event":"(?:progress|rows_read)".*\n)*(?!.*"event":"(?:progress|rows_read)").*\n){${lines}}`);

/** Resolves when so many statements of the command were seen that began after the call, or it has ended. */
async function seeStatements(clients: readonly pg.Client[], count: number, ended: () => boolean): Promise<void> {
  const seen = new Set<string>();
  const since = await Promise.all(
    clients.map(
      async (client) => (await client.query<{ now: string }>('select clock_timestamp()::text as now')).rows[0],
    ),
  );
  while (seen.size < count && !ended()) {
    for (const [n, client] of clients.entries()) {
      const { rows } = await client.query<{ statement: string }>(
        `select pid || ' ' || query_start as statement
           from pg_stat_activity
          where datname = current_database() and application_name like 'gatehouse migrate%' and query_start > $1`,
        [since[n]?.now],
      );
      for (const { statement } of rows) seen.add(statement);
    }
  }
}
