/** GET /audit/events: who may ask, what can be asked, and that asking is on record. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { grantRole, revokeRole } from '../../src/roles/roles.ts';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { addSignedInPerson, bearer, type SignedInPerson, serviceKey } from '../harness/people.ts';

let app: TestApp;
let auditor: SignedInPerson;

const operator = { role: 'operator', username: 'root' };
const occasion = () => ({
  caller: { request_id: randomUUID(), ip: '127.0.0.1', user_agent: undefined, method: 'COMMAND', path: 'roles' },
  now: app.clock.now(),
});

beforeAll(async () => {
  app = await startApp();
  auditor = await addSignedInPerson(app);
  await grantRole(app.database.db, { user_id: auditor.id, role: 'auditor', actor: operator }, occasion());
});
afterAll(() => app.close());

interface EventRow {
  occurred_at?: string;
  action?: string;
  outcome?: 'success' | 'failure';
  [column: string]: unknown;
}

/** Writes events straight into the log; those without a time, now. Returns their ids. */
async function addEvents(events: EventRow[]): Promise<string[]> {
  const ids: string[] = [];
  for (const event of events) {
    const row = {
      id: randomUUID(),
      occurred_at: app.clock.now().toISOString(),
      action: 'login',
      outcome: 'success',
      ...event,
    };
    const names = Object.keys(row);
    await app.database.pool.query(
      `insert into audit.events (${names}) values (${names.map((_, index) => `$${index + 1}`)})`,
      Object.values(row),
    );
    ids.push(row.id);
  }
  return ids;
}

type Query = Record<string, string> | string;

function ask(query: Query = {}, token: string = auditor.access_token) {
  const search = typeof query === 'string' ? query : new URLSearchParams(query).toString();
  return app.request.get(`/audit/events?${search}`).set(bearer(token));
}

async function answerTo(query: Query) {
  const response = await ask(query);
  expect(response.status, JSON.stringify(response.body)).toBe(200);
  return response.body as { events: Record<string, unknown>[]; next_cursor: string | null; from: string };
}

/** Every event of every page. */
async function allPages(query: Record<string, string>) {
  const pages: Record<string, unknown>[][] = [];
  let cursor: string | null = null;
  do {
    const page = await answerTo(cursor ? { ...query, cursor } : query);
    pages.push(page.events);
    cursor = page.next_cursor;
  } while (cursor && pages.length < 100);
  return pages;
}

describe('an auditor', () => {
  it('sees an event with every column of the trail, times in RFC 3339', async () => {
    const subject_id = randomUUID();
    const session_id = randomUUID();
    const [id] = await addEvents([
      {
        occurred_at: new Date(app.clock.now().getTime() - 60_000).toISOString().replace('Z', '789Z'),
        action: 'login_failed',
        outcome: 'failure',
        error_code: 'invalid_credentials',
        reason: 'wrong password',
        subject_id,
        session_id,
        ip: '2001:db8::1',
        user_agent: '<script>alert(1)</script>',
        request_id: 'r-1',
        method: 'POST',
        path: '/token',
        details: { grant_type: 'password' },
      },
    ]);
    const response = await ask({ subject: subject_id });

    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.body.events).toEqual([
      {
        id,
        occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}789Z$/),
        action: 'login_failed',
        outcome: 'failure',
        error_code: 'invalid_credentials',
        reason: 'wrong password',
        actor_id: null,
        actor_role: null,
        actor_name: null,
        subject_id,
        session_id,
        ip: '2001:db8::1',
        user_agent: '<script>alert(1)</script>',
        request_id: 'r-1',
        method: 'POST',
        path: '/token',
        details: { grant_type: 'password' },
      },
    ]);
  });

  it('finds the sign-in that somebody just made, and the one that failed', async () => {
    const ann = await addSignedInPerson(app);
    await app.request.post('/token?grant_type=password').send({ email: ann.email, password: 'wrong' });
    const { events } = await answerTo({ subject: ann.id, action: 'login*' });
    expect(events).toMatchObject([
      { action: 'login_failed', outcome: 'failure', error_code: 'invalid_credentials', ip: '127.0.0.1' },
      { action: 'login', outcome: 'success', actor_id: ann.id, session_id: ann.session_id },
    ]);
  });

  // What is read through SQL by gatehouse_auditor and through the API is one and the same.
  it('sees what the view audit.trail shows to gatehouse_auditor, who may read nothing else', async () => {
    const subject_id = randomUUID();
    await addEvents([{ subject_id }, { subject_id, ip: '10.0.0.1', details: { one: [1, null, 'x'] } }]);
    const client = await app.database.pool.connect();
    try {
      await client.query('begin; set local role gatehouse_auditor');
      const { rows } = await client.query(
        'select * from audit.trail where subject_id = $1 order by occurred_at desc, id desc',
        [subject_id],
      );
      expect((await answerTo({ subject: subject_id })).events).toEqual(rows);
      for (const refused of ['select from audit.events', 'select from auth.users', 'delete from audit.trail']) {
        await client.query('savepoint here');
        await expect(client.query(refused)).rejects.toThrow(/^permission denied/);
        await client.query('rollback to here');
      }
    } finally {
      await client.query('rollback');
      client.release();
    }
  });

  it('is on record with each page read: what was asked and how much was shown', async () => {
    const subject_id = randomUUID();
    await addEvents([{ subject_id }, { subject_id }, { subject_id }]);
    const first = await ask({ subject: subject_id, limit: '2' });
    const second = await ask({ subject: subject_id, limit: '2', cursor: first.body.next_cursor });

    const details = { filters: { subject: subject_id }, from: first.body.from, order: 'desc', limit: 2 };
    const expected = {
      action: 'audit_read',
      outcome: 'success',
      actor_id: auditor.id,
      actor_role: 'authenticated',
      session_id: auditor.session_id,
      subject_id: null,
      method: 'GET',
      path: '/audit/events',
    };
    expect(await auditRowsOf(app, first)).toMatchObject([
      { ...expected, details: { ...details, continued: false, returned: 2 } },
    ]);
    const [row, ...others] = await auditRowsOf(app, second);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ ...expected, details: { ...details, continued: true, returned: 1 } });
    expect(JSON.stringify(row)).not.toContain(first.body.next_cursor);
  });

  it('is shown nothing when the reading cannot be recorded', async () => {
    await app.database.pool.query('alter table audit.events add constraint closed check (false) not valid');
    try {
      const response = await ask();
      expect(response.status).toBe(500);
      expect(response.body.events).toBeUndefined();
    } finally {
      await app.database.pool.query('alter table audit.events drop constraint closed');
    }
  });

  it('finds the log at /auth/v1, too', async () => {
    const response = await app.request.get('/auth/v1/audit/events').set(bearer(auditor.access_token));
    expect(response.status).toBe(200);
  });
});

describe('filters', () => {
  const request_ids = (events: Record<string, unknown>[]) => events.map(({ request_id }) => request_id).sort();
  const [ada, bob, session] = [randomUUID(), randomUUID(), randomUUID()];
  const from = '2026-01-10T00:00:00Z';
  const to = '2026-01-20T00:00:00Z';

  beforeAll(async () => {
    const rows: Record<string, EventRow> = {
      a: { action: 'login', actor_id: ada, subject_id: ada, session_id: session, ip: '10.1.2.3' },
      b: {
        action: 'login_failed',
        outcome: 'failure',
        error_code: 'invalid_credentials',
        subject_id: ada,
        ip: '10.1.9.9',
      },
      c: { action: 'logout', actor_id: ada, subject_id: ada, session_id: session, ip: '10.2.0.1' },
      d: { action: 'user_deleted', actor_id: ada, subject_id: bob, ip: '2001:db8::1' },
      e: { action: 'user_modified', actor_role: 'service_role', actor_name: 'service_role', subject_id: bob },
      f: {
        action: 'login_failed',
        outcome: 'failure',
        error_code: 'user_banned',
        subject_id: bob,
        ip: '2001:db8:1::1',
      },
      g: { action: 'audit_read', actor_id: ada },
      h: {
        action: 'migration_started',
        actor_role: 'operator',
        actor_name: "o'brien; drop table audit.events",
        ip: '11.0.0.1',
      },
    };
    await addEvents(
      Object.entries(rows).map(([request_id, row], index) => ({
        ...row,
        request_id,
        occurred_at: `2026-01-1${index + 1}T12:00:00.000001Z`,
      })),
    );
  });

  const cases: [query: Record<string, string>, found: string][] = [
    [{}, 'abcdefgh'],
    [{ action: 'login' }, 'a'],
    [{ action: 'login*' }, 'abf'],
    [{ action: 'log*' }, 'abcf'],
    [{ action: '*' }, 'abcdefgh'],
    [{ action: 'user_*' }, 'de'],
    [{ outcome: 'failure' }, 'bf'],
    [{ outcome: 'success', action: 'log*' }, 'ac'],
    [{ error_code: 'user_banned' }, 'f'],
    [{ actor: ada }, 'acdg'],
    [{ actor: ada.toUpperCase() }, 'acdg'],
    [{ actor: bob }, ''],
    [{ actor: 'service_role' }, 'e'],
    [{ actor: "o'brien; drop table audit.events" }, 'h'],
    [{ actor: `' or true --` }, ''],
    [{ subject: ada }, 'abc'],
    [{ subject: bob, actor: ada }, 'd'],
    [{ session }, 'ac'],
    [{ request_id: 'g' }, 'g'],
    [{ ip: '10.1.2.3' }, 'a'],
    [{ ip: '::ffff:10.1.2.3' }, 'a'],
    [{ ip: '10.1.2.0/24' }, 'a'],
    [{ ip: '10.1.2.77/16' }, 'ab'],
    [{ ip: '10.0.0.0/8' }, 'abc'],
    [{ ip: '::ffff:10.0.0.0/104' }, 'abc'],
    [{ ip: '0.0.0.0/0' }, 'abch'],
    [{ ip: '2001:DB8:0::0/48' }, 'd'],
    [{ ip: '2001:db8::/32' }, 'df'],
    [{ ip: '::/0' }, 'df'],
    [{ from: '2026-01-12T12:00:00.000001Z' }, 'bcdefgh'],
    [{ from: '2026-01-12T12:00:00.000002Z' }, 'cdefgh'],
    [{ to: '2026-01-12T12:00:00.000001Z' }, 'a'],
    [{ to: '2026-01-12T12:00:00.000002Z' }, 'ab'],
    [{ from: '2026-01-12T14:00:00.000001+02:00', to: '2026-01-13T00:00:00-11:30' }, 'b'],
    [{ from: '2026-01-12T12:00:00.000001Z', to: '2026-01-12T12:00:00.000001Z' }, ''],
  ];

  it.each(cases)('%j finds %j', async (query, found) => {
    const { events, next_cursor } = await answerTo({ from, to, ...query });
    expect(request_ids(events).join('')).toBe(found);
    expect(next_cursor).toBeNull();
  });

  it('without from, a day before to is shown, or before now, and the answer says so', async () => {
    const day = { to: '2026-01-13T12:00:00.000002Z' };
    expect(await answerTo(day)).toMatchObject({
      from: '2026-01-12T12:00:00.000Z',
      events: [{ request_id: 'c' }, { request_id: 'b' }],
    });

    const now = app.clock.now().getTime();
    const subject_id = randomUUID();
    const at = (seconds: number) => new Date(now - seconds * 1000).toISOString();
    const [recent] = await addEvents([
      { subject_id, occurred_at: at(86_399) },
      { subject_id, occurred_at: at(86_401) },
    ]);
    const answer = await answerTo({ subject: subject_id });
    expect(answer.from).toBe(at(86_400));
    expect(answer.events.map(({ id }) => id)).toEqual([recent]);
  });
});

describe('pages', () => {
  const subject = randomUUID();
  const query = { subject, from: '2026-02-01T00:00:00Z' };
  let inOrder: string[];

  beforeAll(async () => {
    // Four events at each of five times, a microsecond apart and over a month's end: the id decides among equals.
    const times = ['01T00:00:00', '01T00:00:00.000001', '03T00:00:00', '28T23:59:59.999999'].map(
      (t) => `2026-02-${t}Z`,
    );
    times.push('2026-03-01T00:00:00Z');
    const events = times.flatMap((occurred_at) =>
      Array.from({ length: 4 }, () => randomUUID())
        .sort()
        .map((id) => ({ id, occurred_at, subject_id: subject })),
    );
    inOrder = events.map(({ id }) => id);
    await addEvents(events.toSorted((one, other) => (one.id < other.id ? -1 : 1)));
  });

  it.each([
    ['asc', 1],
    ['asc', 3],
    ['asc', 20],
    ['desc', 1],
    ['desc', 7],
    ['desc', 19],
    ['desc', 20],
    ['desc', 1000],
  ])('%s by %i, one after the other, show every event once and in order', async (order, limit) => {
    const pages = await allPages({ ...query, order, limit: String(limit) });
    const expected = order === 'asc' ? inOrder : inOrder.toReversed();
    expect(pages.flat().map(({ id }) => id)).toEqual(expected);
    expect(pages).toHaveLength(Math.ceil(20 / limit));
  });

  it('hold 50 events unless asked otherwise', async () => {
    const other = randomUUID();
    await addEvents(Array.from({ length: 51 }, () => ({ subject_id: other })));
    const { events, next_cursor } = await answerTo({ subject: other });
    expect([events.length, next_cursor]).toEqual([50, expect.any(String)]);
    const rest = await answerTo({ subject: other, cursor: String(next_cursor) });
    expect([rest.events.length, rest.next_cursor]).toEqual([1, null]);
  });

  it('go on where they were, whatever has happened since', async () => {
    const other = randomUUID();
    const at = (second: number) => new Date(app.clock.now().getTime() - 60_000 + second * 1000).toISOString();
    const [first, second, third] = await addEvents([3, 2, 1].map((s) => ({ subject_id: other, occurred_at: at(s) })));
    const page = await answerTo({ subject: other, limit: '1' });
    await addEvents([{ subject_id: other, occurred_at: at(4) }]);
    const rest = await answerTo({ subject: other, limit: '9', cursor: String(page.next_cursor) });
    expect([...page.events, ...rest.events].map(({ id }) => id)).toEqual([first, second, third]);
  });

  it('are of one span of time, though the last is asked for an hour later', async () => {
    const other = randomUUID();
    const at = (seconds: number) => new Date(app.clock.now().getTime() - seconds * 1000).toISOString();
    await addEvents([
      { subject_id: other, occurred_at: at(60) },
      { subject_id: other, occurred_at: at(86_390) },
    ]);
    const first = await answerTo({ subject: other, limit: '1' });
    app.clock.advance(600);
    const second = await answerTo({ subject: other, limit: '1', cursor: String(first.next_cursor) });
    expect(second).toMatchObject({ from: first.from, events: [{}] });
  });

  it('are refused to a cursor that we did not write for this question', async () => {
    const { next_cursor } = await answerTo({ ...query, limit: '1' });
    const cursor = String(next_cursor);
    const refused: Query[] = [
      { ...query, cursor: cursor.slice(0, -1) },
      { ...query, cursor: `${cursor}A` },
      { ...query, cursor: cursor.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')) },
      { ...query, cursor: '' },
      { ...query, cursor: `' or 1=1 --` },
      { ...query, cursor: Buffer.from(`["2026-01-01","2026-01-01' or true --","x"]`).toString('base64url') },
      { ...query, order: 'asc', cursor },
      { ...query, action: 'login', cursor },
      { from: query.from, cursor },
      { ...query, from: '2026-02-02T00:00:00Z', cursor },
      { subject: randomUUID(), from: query.from, cursor },
    ];
    for (const forged of refused) {
      const response = await ask(forged);
      expect([response.status, response.body.msg], JSON.stringify(forged)).toEqual([
        400,
        'cursor is not one of an answer to this question',
      ]);
      expect(await auditRowsOf(app, response)).toMatchObject([
        { action: 'audit_read_failed', error_code: 'validation_failed', actor_id: auditor.id },
      ]);
    }
    expect((await ask({ ...query, limit: '5', cursor })).status).toBe(200);
  });
});

describe('refuses, shows nothing and is on record', () => {
  const bad: [query: Query, says: string][] = [
    [{ action: 'logon' }, 'action must be the name of an event, or the beginning of one and *'],
    [{ action: 'login%' }, 'action must be the name of an event, or the beginning of one and *'],
    [{ action: 'log_n' }, 'action must be the name of an event, or the beginning of one and *'],
    [{ action: '' }, 'action must be the name of an event, or the beginning of one and *'],
    [{ outcome: 'failed' }, 'outcome must be success or failure'],
    [{ outcome: `success' or '1'='1` }, 'outcome must be success or failure'],
    [{ error_code: 'a b' }, 'error_code must be an error code'],
    [{ actor: '' }, 'actor must be an id or a name'],
    [{ actor: 'a\0b' }, 'actor must be an id or a name'],
    [{ subject: '1' }, "subject must be a user's id"],
    [{ subject: `${randomUUID()}'` }, "subject must be a user's id"],
    [{ session: 'x'.repeat(10_000) }, "session must be a session's id"],
    [{ request_id: 'a b' }, "request_id must be a request's id"],
    ...[
      '10.0.0.0/33',
      '10.0.0',
      '10.0.0.0/',
      '::1/129',
      '::ffff:10.0.0.0/8',
      'localhost',
      '1.2.3.4:80',
      '0x0a.1.1.1',
      '',
    ].map((ip): [Query, string] => [{ ip }, 'ip must be an address, or a range in CIDR notation']),
    ...[
      '2026-01-31',
      '2026-01-31 00:00:00Z',
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-31T00:00:00',
      'now',
      '0000-01-01T00:00:00Z',
      '2026-01-31T25:00:00Z',
      '2026-01-31T00:00:00+15:00',
      'infinity',
      '1700000000',
    ].map((from): [Query, string] => [{ from }, 'from must be a time in RFC 3339, such as 2026-01-31T00:00:00Z']),
    [{ from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 'from must be before to'],
    [{ order: 'descending' }, 'order must be asc or desc'],
    ...['0', '-1', '1001', '1e2', '', 'ten', '99999999999999999999'].map((limit): [Query, string] => [
      { limit },
      'limit must be from 1 to 1000',
    ]),
    [{ actor_id: randomUUID() }, 'actor_id is no parameter'],
    [{ page: '2' }, 'page is no parameter'],
    [{ __proto__x: '1', constructor: '1' }, '__proto__x is no parameter'],
    ['constructor=1', 'constructor is no parameter'],
    ['__proto__=1', '__proto__ is no parameter'],
    ['action[]=login', 'Unknown parameter'],
    [`${'a'.repeat(100)}=1`, 'Unknown parameter'],
    ['action=login&action=logout', 'action may be given once'],
    ['limit=1&limit=1000', 'limit may be given once'],
  ];

  it.each(bad)('%j', async (query, says) => {
    const response = await ask(query);
    expect([response.status, response.body]).toEqual([400, { code: 400, error_code: 'validation_failed', msg: says }]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'audit_read_failed', outcome: 'failure', error_code: 'validation_failed', actor_id: auditor.id },
    ]);
  });
});

describe('nobody else reads the log', () => {
  let ann: SignedInPerson;
  beforeEach(async () => {
    ann = await addSignedInPerson(app);
  });

  async function refusal(token: string) {
    const response = await ask({}, token);
    expect(response.body.events).toBeUndefined();
    const rows = await auditRowsOf(app, response);
    expect(rows).toMatchObject([{ action: 'audit_read_failed', outcome: 'failure' }]);
    return { status: response.status, error_code: response.body.error_code, row: rows[0] };
  }

  it('a user without the role', async () => {
    expect(await refusal(ann.access_token)).toMatchObject({
      status: 403,
      error_code: 'not_admin',
      row: { actor_id: ann.id, error_code: 'not_admin', reason: 'without the role auditor' },
    });
  });

  it('an administrator, whose role is another', async () => {
    await grantRole(app.database.db, { user_id: ann.id, role: 'admin', actor: operator }, occasion());
    expect(await refusal(ann.access_token)).toMatchObject({ status: 403, error_code: 'not_admin' });
  });

  it('a service key, which has no rights that are rows', async () => {
    expect((await refusal(serviceKey(app))).status).toBe(403);
  });

  it('an auditor no longer, from the moment the role is taken away', async () => {
    await grantRole(app.database.db, { user_id: ann.id, role: 'auditor', actor: operator }, occasion());
    expect((await ask({}, ann.access_token)).status).toBe(200);
    await revokeRole(app.database.db, { user_id: ann.id, role: 'auditor', actor: operator }, occasion());
    expect((await refusal(ann.access_token)).status).toBe(403);
  });

  it.each([
    ['signed out', 'delete from auth.sessions where user_id = $1', 'session_not_found'],
    ['banned', `update auth.users set banned_until = 'infinity' where id = $1`, 'user_banned'],
    ['deleted', 'update auth.users set deleted_at = now() where id = $1', 'user_not_found'],
  ])('an auditor who is %s', async (_, change, error_code) => {
    await grantRole(app.database.db, { user_id: ann.id, role: 'auditor', actor: operator }, occasion());
    await app.database.pool.query(change, [ann.id]);
    expect(await refusal(ann.access_token)).toMatchObject({ status: 403, error_code });
  });

  it('whoever says nothing, in a header, a query or a cookie', async () => {
    for (const response of [
      await app.request.get('/audit/events'),
      await app.request.get(`/audit/events?access_token=${auditor.access_token}`),
      await app.request.get('/audit/events').set('Cookie', `access_token=${auditor.access_token}`),
    ]) {
      expect([response.status, response.body.error_code]).toEqual([401, 'no_authorization']);
      expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'audit_read_failed', actor_id: null }]);
    }
  });
});
