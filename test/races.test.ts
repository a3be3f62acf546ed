/**
 * Races over several processes: what is true once is true once of all of them together, because the database says so and no
 * process's memory. Four services as programs, one database; what one process does about its own races is in the rooms' tests.
 */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type Mailbox, openMailbox } from './harness/mailbox.ts';
import { claimsOf } from './harness/people.ts';
import { freshDatabase, type TestDatabase } from './harness/postgres.ts';
import { endPrograms, freePort, type Program, startService } from './harness/program.ts';

// Eight programs start, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PROCESSES = 4;
const PASSWORD = 'correct horse battery';

let database: TestDatabase;
let mailbox: Mailbox;
let urls: string[];
let services: Program[];

beforeAll(async () => {
  database = await freshDatabase();
  mailbox = await openMailbox();
  await startAll();
});
afterAll(async () => {
  await endPrograms();
  await mailbox.close();
  await database.drop();
});

async function startAll(): Promise<void> {
  const ports: number[] = [];
  services = [];
  for (let n = 0; n < PROCESSES; n++) {
    const port = await freePort();
    ports.push(port);
    services.push(
      startService({
        DATABASE_URL: database.url,
        SECRET_KEY: 'a secret of this file, and of nobody else',
        PORT: String(port),
        GATEHOUSE_SMTP_HOST: '127.0.0.1',
        GATEHOUSE_SMTP_PORT: String(mailbox.port),
        GATEHOUSE_SMTP_ADMIN_EMAIL: 'auth@portal.example',
        GATEHOUSE_MAILER_SUBJECTS_CONFIRMATION: '{{ .Token }}',
        GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '100000',
        GATEHOUSE_LOCKOUT_MAX_ATTEMPTS: '5',
        // Nobody waits to be told that a machine with other work is busy.
        GATEHOUSE_API_MAX_REQUEST_DURATION: '100s',
      }),
    );
  }
  await Promise.all(services.map((service) => service.says(/"msg":"listening"/)));
  urls = ports.map((port) => `http://127.0.0.1:${port}`);
}

interface Answer {
  status: number;
  body: Record<string, string>;
}

/** Asks one of the services. */
async function ask(nth: number, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${urls[nth % PROCESSES]}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

/** Asks all of them in turn, and waits for no answer before the next. */
const askAll = (times: number, path: string, bodyOf: (nth: number) => object) =>
  Promise.all(Array.from({ length: times }, (_, nth) => ask(nth, path, bodyOf(nth))));

/**
 * How often each status was answered. Not 503: on a machine that is busy with other work some are told to come again, and
 * nothing was done for them.
 */
const statusesOf = (answers: Answer[]) =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)]
      .filter(([status]) => status !== 503)
      .map(([status, same]) => [status, same.length]),
  );

async function count(what: string, ...values: unknown[]): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(`select count(*)::int as n from ${what}`, values);
  return rows[0]?.n ?? 0;
}

let email: string;
let people = 0;
beforeEach(() => {
  email = `ann.${people++}@example.com`;
});

/** Somebody who has signed up, with the link's token and the code of the mail. */
async function signedUp(): Promise<{ token_hash: string; code: string }> {
  expect((await ask(0, '/signup', { email, password: PASSWORD })).status).toBe(200);
  const { links, subject = '' } = await mailbox.next(email);
  return { token_hash: new URL(links[0] ?? '').searchParams.get('token') ?? '', code: subject };
}

async function signedIn(): Promise<{ refresh_token: string; session_id: string }> {
  const { token_hash } = await signedUp();
  const { body } = await ask(0, '/verify', { type: 'signup', token_hash });
  const { access_token = '', refresh_token = '' } = body;
  return { refresh_token, session_id: String(claimsOf(access_token).session_id) };
}

// CVE classes 1 and 2.
test('a thousand refreshes of one token: one successor, which everybody has', async () => {
  const { refresh_token, session_id } = await signedIn();
  const answers = await askAll(1_000, '/token?grant_type=refresh_token', () => ({ refresh_token }));
  expect(Object.keys(statusesOf(answers))).toEqual(['200']);
  const successors = answers.flatMap(({ status, body }) => (status === 200 ? [body.refresh_token] : []));
  expect(new Set(successors).size).toBe(1);
  const { rows } = await database.pool.query('select refresh_token_counter::int from auth.sessions where id = $1', [
    session_id,
  ]);
  expect(rows).toEqual([{ refresh_token_counter: 1 }]);
});

// CVE class 16; measured falls 1.
test('two hundred redemptions of one link: one session', async () => {
  const { token_hash } = await signedUp();
  const answers = await askAll(200, '/verify', () => ({ type: 'signup', token_hash }));
  expect(statusesOf(answers)).toEqual({ 200: 1, 403: expect.any(Number) });
  expect(await count('auth.sessions s join auth.users u on u.id = s.user_id where u.email = $1', email)).toBe(1);
});

// CVE class 5; measured falls 6.
test('five hundred guesses at a code: five are looked at, and the right one after them is refused', async () => {
  const { code, token_hash } = await signedUp();
  const wrong = (nth: number) => String((Number(code) + 1 + nth) % 1_000_000).padStart(6, '0');
  const answers = await askAll(500, '/verify', (nth) => ({ type: 'signup', email, token: wrong(nth) }));
  expect(Object.keys(statusesOf(answers))).toEqual(['403']);
  const ofHer = `audit.events e join auth.users u on u.id = e.subject_id where u.email = $1 and action = 'verification_failed'`;
  expect(await count(`${ofHer} and reason = 'wrong or expired code'`, email)).toBe(5);
  expect(await count(`${ofHer} and reason <> 'wrong code; locked'`, email)).toBe(5);
  expect((await ask(1, '/verify', { type: 'signup', email, token: code })).status).toBe(403);
  expect((await ask(1, '/verify', { type: 'signup', token_hash })).status).toBe(200);
});

// Measured falls 12.
test('ten sign-ups of one address: one user, one identity, one mail', async () => {
  const answers = await askAll(10, '/signup', (nth) => ({ email, password: `${PASSWORD} ${nth}` }));
  for (const { status, body } of answers) {
    expect([200, 503].includes(status) || body.error_code === 'over_email_send_rate_limit').toBe(true);
  }
  expect(statusesOf(answers)[200]).toBeGreaterThan(0);
  expect(await count('auth.users where email = $1', email)).toBe(1);
  expect(await count('auth.identities where email = $1', email)).toBe(1);
  await mailbox.next(email);
  expect(await count('gatehouse.mail_outbox where recipient = $1', email)).toBe(1);
});

// CVE class 3.
test('what was revoked stays revoked when all of them start again', async () => {
  const { refresh_token } = await signedIn();
  const { body } = await ask(0, '/token?grant_type=refresh_token', { refresh_token });
  const { access_token = '', refresh_token: next = '' } = body;
  const logout = await fetch(`${urls[1]}/logout`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${access_token}` },
  });
  expect(logout.status).toBe(204);
  for (const service of services) service.kill('SIGTERM');
  await Promise.all(services.map(({ exited }) => exited));
  await startAll();
  for (const [nth, url] of urls.entries()) {
    for (const token of [refresh_token, next]) {
      const { status, body } = await ask(nth, '/token?grant_type=refresh_token', { refresh_token: token });
      expect([status, body.error_code]).toEqual([400, 'refresh_token_not_found']);
    }
    const user = await fetch(`${url}/user`, { headers: { Authorization: `Bearer ${access_token}` } });
    expect(user.status).toBe(403);
  }
});
