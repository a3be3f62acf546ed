/** The lines of the table: what is measured, against what, and how much of that is asked for. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Job, Outcome } from './load.ts';
import { type Account, type Rig, startProcess } from './rig.ts';

export interface Line {
  name: string;
  /** What the ceiling is, for the table and in a sentence. */
  ceiling: string;
  explained: string;
  /** The least ratio of ours to the ceiling that is asked for. */
  target: number;
  /** How often per second. Each takes about `seconds`. */
  measureCeiling(seconds: number): Promise<number>;
  measureOurs(seconds: number): Promise<number>;
}

export type Drive = (job: Job) => Promise<Outcome>;

/** Connections of the load. More than gatehouse has to PostgreSQL, so that it is never without work. */
const CONNECTIONS = 32;
/** Of sign-ins: enough that a hash always waits, and none for long. */
const SIGN_IN_CONNECTIONS = 8;
/** Each round of refreshes loses one chain per connection. */
const CHAINS_PER_CONNECTION = 8;
const PROBE_SECONDS = 1;

const JSON_BODY = { 'content-type': 'application/json' };

/** A process that sends load and answers with what came of it; refuses answers that were not expected. */
export function startDriver(resources: AsyncDisposableStack): Drive {
  const driver = startProcess(resources, 'load.ts');
  return async (job) => {
    driver.send(job);
    const [outcome] = (await once(driver, 'message')) as [Outcome];
    if (outcome.failed > 0) throw new Error(`${outcome.failed} requests to ${job.url} were refused or not answered`);
    return outcome;
  };
}

export async function signInLine({ url, accounts }: Rig, drive: Drive): Promise<Line> {
  const best = await bestArgon2();
  return {
    name: 'sign-ins',
    ceiling: `bare argon2id, ${best.concurrency} at once`,
    explained: `argon2id verifications of our cost by ${best.engine}, ${best.concurrency} at once, in a process that does nothing else`,
    target: 0.85,
    measureCeiling: (seconds) => argon2PerSecond(best, seconds),
    measureOurs: async (seconds) => {
      const load = { kind: 'repeated', requests: accounts.map(signInRequest) } as const;
      return (await drive({ url, connections: SIGN_IN_CONNECTIONS, seconds, load })).perSecond;
    },
  };
}

interface Argon2Choice {
  engine: string;
  concurrency: number;
}

/** The faster package at the number of threads that suits this machine best: tried, not assumed. */
async function bestArgon2(): Promise<Argon2Choice> {
  const cores = availableParallelism();
  let best = { engine: 'argon2', concurrency: 1, perSecond: 0 };
  for (const engine of ['@node-rs/argon2', 'argon2']) {
    for (const concurrency of new Set([Math.max(1, cores - 1), cores, cores + 1, 2 * cores])) {
      const perSecond = await argon2PerSecond({ engine, concurrency }, PROBE_SECONDS).catch(() => 0);
      if (perSecond > best.perSecond) best = { engine, concurrency, perSecond };
    }
  }
  return best;
}

async function argon2PerSecond({ engine, concurrency }: Argon2Choice, seconds: number): Promise<number> {
  await using resources = new AsyncDisposableStack();
  const child = startProcess(resources, 'bare-argon2.ts', [engine, String(concurrency), String(seconds)], {
    // As many threads as hashes: among more of them each hash is given to the one that has slept longest, which is slower.
    env: { ...process.env, UV_THREADPOOL_SIZE: String(concurrency) },
    // An engine that is not installed says so at length.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${engine} does not run here`);
  });
  const [{ perSecond }] = (await Promise.race([once(child, 'message'), ended])) as [{ perSecond: number }];
  ended.catch(() => {});
  return perSecond;
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
}

export async function refreshLine(rig: Rig, drive: Drive, signedIn: readonly Tokens[]): Promise<Line> {
  let ours = signedIn.map(({ refresh_token }) => refresh_token);
  // Rows of their own: what is changed for the ceiling is no session that is refreshed.
  let bare = (await signInAll(rig, CHAINS_PER_CONNECTION * CONNECTIONS)).map(({ access_token }) =>
    sessionOf(access_token),
  );
  return {
    name: 'refreshes',
    ceiling: 'Express + one update',
    explained: 'a bare Express route that runs one named prepared update of one row of auth.sessions; no audit row',
    target: 0.55,
    async measureCeiling(seconds) {
      const load = { kind: 'chained', path: '/sessions', body: '{"id":"{}"}', words: bare, member: 'id' } as const;
      const { perSecond } = await drive({ url: rig.bareUrl, connections: CONNECTIONS, seconds, load });
      bare = [...bare];
      return perSecond;
    },
    async measureOurs(seconds) {
      const least = CHAINS_PER_CONNECTION * CONNECTIONS;
      if (ours.length < least) {
        ours = [...ours, ...(await signInAll(rig, least)).map(({ refresh_token }) => refresh_token)];
      }
      const load = {
        kind: 'chained',
        path: '/token?grant_type=refresh_token',
        body: '{"refresh_token":"{}"}',
        words: ours,
        member: 'refresh_token',
      } as const;
      const { perSecond, words } = await drive({ url: rig.url, connections: CONNECTIONS, seconds, load });
      ours = words;
      return perSecond;
    },
  };
}

export function userLine({ url, bareUrl, accounts }: Rig, drive: Drive, signedIn: readonly Tokens[]): Line {
  const ours = signedIn.map(({ access_token }) => ({
    method: 'GET' as const,
    path: '/user',
    headers: { authorization: `Bearer ${access_token}` },
  }));
  const bare = accounts.map(({ id }) => ({ method: 'GET' as const, path: `/users/${id}` }));
  const measure = async (url: string, requests: typeof bare | typeof ours, seconds: number) => {
    const load = { kind: 'repeated', requests } as const;
    return (await drive({ url, connections: CONNECTIONS, seconds, load })).perSecond;
  };
  return {
    name: 'GET /user',
    ceiling: 'Express + one select',
    explained: 'a bare Express route that runs one named prepared select of that user; no token, no session',
    target: 0.6,
    measureCeiling: (seconds) => measure(bareUrl, bare, seconds),
    measureOurs: (seconds) => measure(url, ours, seconds),
  };
}

/** What is told beside the table: it has no ceiling. */
export async function measureBeside(
  { url, auditor, client, bcryptAccount, accounts, crowd }: Rig,
  drive: Drive,
  signedIn: readonly Tokens[],
  { seconds, refusals }: { seconds: number; refusals: number },
): Promise<string[]> {
  const [reader] = await signInEach(url, [auditor]);
  const authorization = `Bearer ${reader?.access_token}`;
  const requests = [{ method: 'GET', path: '/audit/events?limit=50', headers: { authorization } } as const];
  const audit = await drive({
    url,
    connections: 1,
    seconds,
    load: { kind: 'repeated', requests },
  });
  const credentials = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const introspections = signedIn.map(({ access_token }) => ({
    method: 'POST' as const,
    path: '/introspect',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${credentials}` },
    body: `token=${access_token}`,
  }));
  const introspection = await drive({
    url,
    connections: CONNECTIONS,
    seconds,
    load: { kind: 'repeated', requests: introspections },
  });

  const signIn = (email: string, n: number) => ({ email, password: `wrong-${n}` });
  const crowded = crowd.values();
  /** Each time another's address: nobody gets two mails in a row. */
  const someone = () => crowded.next().value ?? '';
  const stranger = (n: number) => `stranger-${n}@people.example`;
  const signUp = (email: string) => ({ email, password: 'correct horse battery' });
  const doors: Door[] = [
    {
      name: 'refused sign-ins',
      path: '/token?grant_type=password',
      status: 400,
      bodies: {
        'unknown address': (n) => signIn(`nobody-${n}@people.example`, n),
        'wrong, argon2id': (n) => signIn((accounts[n] ?? bcryptAccount).email, n),
        'wrong, bcrypt': (n) => signIn(bcryptAccount.email, n),
      },
    },
    {
      name: 'POST /recover',
      path: '/recover',
      status: 200,
      bodies: { unknown: (n) => ({ email: `lost-${n}@people.example` }), known: () => ({ email: someone() }) },
    },
    {
      name: 'POST /otp',
      path: '/otp',
      status: 200,
      bodies: {
        'unknown, to be made': (n) => ({ email: `new-${n}@people.example` }),
        'unknown, not to be': (n) => ({ email: `none-${n}@people.example`, create_user: false }),
        known: () => ({ email: someone() }),
      },
    },
    {
      name: 'POST /signup',
      path: '/signup',
      status: 200,
      bodies: { unknown: (n) => signUp(stranger(n)), known: () => signUp(someone()) },
    },
    {
      // The unconfirmed ones have just signed up.
      name: 'POST /resend',
      path: '/resend',
      status: 200,
      bodies: {
        unknown: (n) => ({ type: 'signup', email: `silent-${n}@people.example` }),
        unconfirmed: (n) => ({ type: 'signup', email: stranger(n) }),
        confirmed: () => ({ type: 'signup', email: someone() }),
      },
    },
  ];
  const alike: string[] = [];
  for (const door of doors) alike.push(await timeDoor(url, door, refusals));
  return [
    `audit query        50 newest events of some ten thousand: ${audit.medianMs} ms (median), one reader, each reading on record`,
    `introspection      ${Math.round(introspection.perSecond).toLocaleString('en-US')} tokens/s, ${introspection.medianMs} ms (median), client, token, session and audit row in one statement`,
    ...alike,
  ];
}

/** A door that tells nobody whether an address has an account, and the bodies between which it makes no difference. */
interface Door {
  name: string;
  path: string;
  status: number;
  bodies: Record<string, (nth: number) => object>;
}

/** In turns, so that what else the machine does meets all kinds alike. */
async function timeDoor(url: string, { name, path, status, bodies }: Door, count: number): Promise<string> {
  const times = new Map<string, number[]>();
  for (let n = 0; n < count; n++) {
    for (const [kind, bodyOf] of Object.entries(bodies)) {
      const ms = await timeAnswer(url + path, bodyOf(n), status);
      times.set(kind, [...(times.get(kind) ?? []), ms]);
    }
  }
  const medians = [...times].map(([kind, ms]) => `${kind} ${Math.round(median(ms))} ms`);
  return `${name.padEnd(18)} alike in time (medians of ${count}): ${medians.join(', ')}`;
}

async function timeAnswer(url: string, body: object, status: number): Promise<number> {
  const began = performance.now();
  const response = await fetch(url, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(body) });
  await response.arrayBuffer();
  if (response.status !== status) throw new Error(`${url} answered with ${response.status}`);
  return performance.now() - began;
}

/** So many sessions, over all accounts in turn. */
export function signInAll({ url, accounts }: Rig, count: number): Promise<Tokens[]> {
  return signInEach(
    url,
    Array.from({ length: count }, (_, n) => accounts[n % accounts.length] as Account),
  );
}

async function signInEach(url: string, accounts: readonly Account[]): Promise<Tokens[]> {
  const waiting = accounts.map(signInRequest);
  const tokens: Tokens[] = [];
  await Promise.all(
    Array.from({ length: SIGN_IN_CONNECTIONS }, async () => {
      for (let request = waiting.pop(); request; request = waiting.pop()) {
        const response = await fetch(url + request.path, request);
        if (!response.ok) throw new Error(`signing in: ${response.status} ${await response.text()}`);
        tokens.push((await response.json()) as Tokens);
      }
    }),
  );
  return tokens;
}

function signInRequest({ email, password }: Account) {
  return {
    method: 'POST' as const,
    path: '/token?grant_type=password',
    headers: JSON_BODY,
    body: JSON.stringify({ email, password }),
  };
}

function sessionOf(access_token: string): string {
  return JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString()).session_id;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}
