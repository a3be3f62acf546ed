/**
 * Random moments at which a command is killed: spread over its whole run, and told by what is seen of it from outside, never by
 * a clock. `GATEHOUSE_TEST_SEED` makes those of an earlier run again.
 */
import pg from 'pg';
import { startCommand } from './program.ts';

export const seed = Number(process.env.GATEHOUSE_TEST_SEED ?? Math.floor(Math.random() * 1_000_000));

/** So many lines that it has said, progress left out, and so many statements that were seen of it since. */
export interface Moment {
  line: number;
  statements: number;
}

/** A command that prints with `--json` and ends by itself: with which code, what it said, and where moments of it are. */
export interface Survey {
  code: number | null;
  events: Record<string, unknown>[];
  /** By the seed: the same number in each part of the run, anywhere in it. */
  randomMoments(count: number): Moment[];
}

/** @param begins whether a part of the run begins with this event, as one does with the first */
export async function survey(
  args: string[],
  urls: readonly string[],
  begins: (event: Record<string, unknown>) => boolean,
): Promise<Survey> {
  return watching(urls, async (look) => {
    const program = startCommand(args);
    const said: number[] = [];
    let ended = false;
    void program.ended.then(() => {
      ended = true;
    });
    while (!ended) said.push(...Array.from({ length: await look() }, () => linesOf(program.stdout()).length));
    const { code } = await program.ended;
    const events = linesOf(program.stdout()).map((line) => JSON.parse(line));
    const starts = events.flatMap((event, n) => (n === 0 || begins(event) ? [n + 1] : []));
    const parts = starts.map((line, n) => {
      const next = starts[n + 1] ?? Number.POSITIVE_INFINITY;
      return { line, statements: said.filter((lines) => lines >= line && lines < next).length };
    });
    return { code, events, randomMoments: (count) => momentsOf(parts, count) };
  });
}

function momentsOf(parts: readonly Moment[], count: number): Moment[] {
  const chance = chances(seed);
  const moments = Array.from({ length: count }, (_, n) => {
    const { line, statements } = parts[n % parts.length] ?? { line: 1, statements: 0 };
    return { at: { line, statements: Math.floor(chance() * (statements + 1)) }, order: chance() };
  });
  return moments.sort((a, b) => a.order - b.order).map(({ at }) => at);
}

function chances(from: number): () => number {
  let state = from % 2_147_483_648;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Runs a command that prints with `--json`, and kills it with -9 at a moment; `killed` is false where it ended before. */
export async function killAt(
  args: string[],
  { line, statements }: Moment,
  urls: readonly string[],
): Promise<{ killed: boolean; pid: number; stderr: string }> {
  return watching(urls, async (look) => {
    const program = startCommand(args);
    let ended = false;
    void program.ended.then(() => {
      ended = true;
    });
    await program.says(lines(line)).catch(() => {});
    await look();
    for (let seen = 0; seen < statements && !ended; ) seen += await look();
    program.kill('SIGKILL');
    const { signal } = await program.ended;
    return { killed: signal === 'SIGKILL', pid: program.pid, stderr: program.stderr() };
  });
}

/** Such a line comes more or less often from run to run. */
const PROGRESS = '.*"event":"(?:progress|rows_read)"';

const linesOf = (stdout: string) =>
  stdout.split('\n').filter((line) => line !== '' && !new RegExp(`^${PROGRESS}`).test(line));

const lines = (count: number) => new RegExp(`^(?:(?:${PROGRESS}.*\n)*(?!${PROGRESS}).*\n){${count}}`);

/** `look` resolves to how many statements of commands are there that were not when it was called before. */
async function watching<T>(urls: readonly string[], work: (look: () => Promise<number>) => Promise<T>): Promise<T> {
  const clients = urls.map((url) => new pg.Client({ connectionString: url, application_name: 'gatehouse-test' }));
  await Promise.all(clients.map((client) => client.connect()));
  const seen = new Set<string>();
  const look = async () => {
    const before = seen.size;
    for (const client of clients) {
      const { rows } = await client.query<{ statement: string }>(
        `select pid || ' ' || query_start as statement
           from pg_stat_activity
          where datname = current_database() and application_name like 'gatehouse migrate%' and query_start is not null`,
      );
      for (const { statement } of rows) seen.add(statement);
    }
    return seen.size - before;
  };
  try {
    return await work(look);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}
