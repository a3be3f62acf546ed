/** What an administrator does to users (contract §9.1-9.3): the answer, the rows and the record of it. */
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it, test } from 'vitest';
import { auditRows, auditRowsOf, startApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { addPerson, addSignedInPerson, bearer, type Person, serviceKey, signIn } from '../harness/people.ts';

const app = await startApp();
afterAll(() => app.close());
const { database, request } = app;
const service = bearer(serviceKey(app));

beforeEach(() => database.pool.query('delete from auth.users'));

const address = (name = 'ann') => `${name}.${randomUUID().slice(0, 8)}@example.com`;
const create = (body: object) => request.post('/admin/users').set(service).send(body);
const change = (id: string, body: object) => request.put(`/admin/users/${id}`).set(service).send(body);
const remove = (id: string, body?: object) => request.delete(`/admin/users/${id}`).set(service).send(body);

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query('select * from auth.users where id = $1', [id]);
  return rows[0];
}

async function identitiesOf(id: string): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query(
    'select provider, provider_id, identity_data, email from auth.identities where user_id = $1 order by provider',
    [id],
  );
  return rows;
}

async function count(table: string, user_id: string): Promise<number> {
  const { rows } = await database.pool.query(`select count(*) from ${table} where user_id = $1`, [user_id]);
  return rows[0].count;
}

/** What GoTrue itself would have logged about this user. */
async function gotrueEntries(user_id: string): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query(
    `select payload from auth.audit_log_entries where payload -> 'traits' ->> 'user_id' = $1 order by created_at`,
    [user_id],
  );
  return rows.map(({ payload }) => payload);
}

const byService = { actor_id: null, actor_role: 'service_role', actor_name: 'service_role' };

describe('making a user', () => {
  test('with every field: the row, an identity per address, the event; no mail', async () => {
    const id = randomUUID();
    const email = address();
    const response = await create({
      id,
      email: email.toUpperCase(),
      phone: '+1 555 000 1111',
      aud: 'partners',
      role: 'auditor',
      password: 'correct horse battery',
      email_confirm: true,
      phone_confirm: true,
      user_metadata: { full_name: 'Ann Ledger', nothing: null },
      app_metadata: { tenant: 't-7', provider: 'portal', gone: null },
      ban_duration: '30m',
    });

    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      id,
      aud: 'partners',
      role: 'auditor',
      email,
      phone: '15550001111',
      app_metadata: { provider: 'portal', providers: ['email', 'phone'], tenant: 't-7' },
      user_metadata: { full_name: 'Ann Ledger', nothing: null, email_verified: true },
      is_anonymous: false,
    });
    // GoTrue answers with the row as it went in.
    expect(response.body).not.toHaveProperty('confirmed_at');
    expect(response.body.app_metadata).not.toHaveProperty('gone');
    expect(response.body).not.toHaveProperty('encrypted_password');
    const now = app.clock.now();
    expect(await rowOf(id)).toMatchObject({
      instance_id: '00000000-0000-0000-0000-000000000000',
      email,
      phone: '15550001111',
      email_confirmed_at: rfc3339(now.getTime()),
      banned_until: rfc3339(now.getTime() + 30 * 60_000),
      confirmation_token: '',
      is_sso_user: false,
      last_sign_in_at: null,
    });
    expect(await identitiesOf(id)).toEqual([
      {
        provider: 'email',
        provider_id: id,
        email,
        identity_data: { sub: id, email, email_verified: false, phone_verified: false },
      },
      {
        provider: 'phone',
        provider_id: id,
        email: null,
        identity_data: { sub: id, phone: '15550001111', email_verified: false, phone_verified: false },
      },
    ]);
    const details = { user_id: id, user_email: email, user_phone: '15550001111', provider: 'email' };
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'user_signedup',
        outcome: 'success',
        subject_id: id,
        ...byService,
        details: { ...details, role: 'auditor', set: expect.arrayContaining(['id', 'role', 'ban_duration']) },
      }),
    ]);
    expect(await gotrueEntries(id)).toEqual([
      {
        action: 'user_signedup',
        actor_id: '00000000-0000-0000-0000-000000000000',
        actor_username: 'service_role',
        actor_via_sso: false,
        log_type: 'team',
        traits: details,
      },
    ]);
    expect(app.mailbox.unread()).toBe(0);
  });

  it.each<[what: string, password: object]>([
    ['none', {}],
    ['null', { password: null }],
    ['an empty one', { password: '' }],
  ])('without a password (%s) nobody knows the one that is set', async (_what, password) => {
    const email = address();
    const { body } = await create({ email, email_confirm: true, ...password });
    expect((await rowOf(body.id)).encrypted_password).toMatch(/^\$argon2id\$/);
    const tried = await request.post('/token?grant_type=password').send({ email, password: '' });
    expect(tried.body).toMatchObject({ error_code: 'invalid_credentials' });
  });

  it.each<[scheme: string, password_hash: string]>([
    ['bcrypt $2a$', '$2a$10$r.VB8wXXhfhncTQI0Rz3p.rMLDpAmobDW6XHNq6QbOKOzsGCxg3I.'],
    ['bcrypt $2b$', '$2b$04$IRXRA0WCT8MaOP/WDg8P4.OzPjgx8buPzN2h7x7Ao9BoxQM8.WYLG'],
    ['bcrypt $2y$', '$2y$04$IRXRA0WCT8MaOP/WDg8P4.OzPjgx8buPzN2h7x7Ao9BoxQM8.WYLG'],
    ['argon2i', '$argon2i$v=19$m=4096,t=3,p=2$cG9ydGFsc2FsdHNpeHRlZQ$HNzQ04MdzURHAxTXqI7Htw'],
    ['argon2id', '$argon2id$v=19$m=4096,t=2,p=1$cG9ydGFsc2FsdHNpeHRlZQ$MEKKQiVz/syCSV/L1I+gA88WCPMqC5muRPopriJh9i4'],
    [
      'Firebase scrypt',
      '$fbscrypt$v=1,n=12,r=8,p=1,ss=Qnc9,sk=MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZwb3J0YWwtc2lnbmVyLWtleS1vZi02NC1ieXRlcyEhIQ==$cG9ydGFsc2FsdHNpeHRlZQ==$glWPhQQlKgIISptZqaqHIwWmWP9mVLWpDXao+Pc7dSWRQpUZB/Mkl5a1hjyZg+kxcIZF+iwxVv055lBTggFrCA==',
    ],
  ])('a %s hash of another system is kept as given, and its password signs in', async (_scheme, password_hash) => {
    const email = address();
    const { status, body } = await create({ email, password_hash, email_confirm: true });
    expect(status).toBe(200);
    expect((await rowOf(body.id)).encrypted_password).toBe(password_hash);
    await signIn(app, { id: body.id, email, password: 'correct horse battery' });
  });

  it.each<[what: string, body: object, status: number, error_code: string]>([
    ['no address', { password: 'correct horse battery' }, 400, 'validation_failed'],
    ['empty addresses', { email: '', phone: '' }, 400, 'validation_failed'],
    ['what is no address', { email: 'ann@example.com@evil.example' }, 400, 'validation_failed'],
    ['400 characters of an address', { email: `${'x'.repeat(400)}@example.com` }, 400, 'validation_failed'],
    ['what is no number', { phone: 'call me' }, 400, 'validation_failed'],
    ['an address of another type', { email: 42 }, 400, 'bad_json'],
    ['a list', [], 400, 'bad_json'],
    ['a taken address', { email: 'taken@example.com' }, 422, 'email_exists'],
    ['a taken address in capitals', { email: 'TAKEN@example.com' }, 422, 'email_exists'],
    ['a taken address for another audience', { email: 'taken@example.com', aud: 'partners' }, 422, 'email_exists'],
    ['a taken number', { phone: '+1 555 000 9999' }, 422, 'phone_exists'],
    [
      "somebody's id",
      { id: '11111111-1111-4111-8111-111111111111', email: 'new@example.com' },
      422,
      'user_already_exists',
    ],
    ['what is no id', { id: 'seven', email: 'new@example.com' }, 400, 'validation_failed'],
    ['the nil id', { id: '00000000-0000-0000-0000-000000000000', email: 'new@example.com' }, 400, 'validation_failed'],
    [
      'a password and a hash',
      { email: 'new@example.com', password: '', password_hash: '$2a$10$' },
      400,
      'validation_failed',
    ],
    [
      'a hash that nobody verifies',
      { email: 'new@example.com', password_hash: '5f4dcc3b5aa765d61d8327deb882cf99' },
      400,
      'validation_failed',
    ],
    [
      'a hash that costs two gibibytes',
      {
        email: 'new@example.com',
        password_hash:
          '$argon2id$v=19$m=2097152,t=2,p=1$cG9ydGFsc2FsdHNpeHRlZQ$MEKKQiVz/syCSV/L1I+gA88WCPMqC5muRPopriJh9i4',
      },
      400,
      'validation_failed',
    ],
    [
      'a hash that no column holds',
      {
        email: 'new@example.com',
        password_hash: `$argon2id$v=19$m=4096,t=2,p=1$cG9ydGFsc2FsdHNpeHRlZQ$${'A'.repeat(240)}`,
      },
      400,
      'validation_failed',
    ],
    [
      'a password of 1,025 characters',
      { email: 'new@example.com', password: 'x'.repeat(1025) },
      400,
      'validation_failed',
    ],
    ['what is no duration', { email: 'new@example.com', ban_duration: '7d' }, 400, 'validation_failed'],
    ['a role of 256 characters', { email: 'new@example.com', role: 'r'.repeat(256) }, 400, 'validation_failed'],
    ['an audience of 256 characters', { email: 'new@example.com', aud: 'a'.repeat(256) }, 400, 'validation_failed'],
    ['a NUL in the role', { email: 'new@example.com', role: 'a\0' }, 400, 'validation_failed'],
    ['a NUL in metadata', { email: 'new@example.com', user_metadata: { a: ['\0'] } }, 400, 'validation_failed'],
    [
      'metadata of more than 64 KiB',
      { email: 'new@example.com', app_metadata: { a: 'x'.repeat(65_536) } },
      400,
      'validation_failed',
    ],
  ])('refuses %s, makes nothing and records it', async (_what, body, status, error_code) => {
    await create({ id: '11111111-1111-4111-8111-111111111111', email: 'taken@example.com', phone: '15550009999' });
    const before = await fingerprint(database);
    const response = await create(body);
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ code: status, error_code });
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'admin_request_failed', outcome: 'failure', error_code, ...byService }),
    ]);
    expect(await fingerprint(database)).toEqual(before);
  });

  test('a role of 255 characters is one', async () => {
    const { status, body } = await create({ email: address(), role: 'r'.repeat(255) });
    expect([status, body.role]).toEqual([200, 'r'.repeat(255)]);
  });

  it.each<[what: string, body: () => (n: number) => object, error_code: string]>([
    ['address', () => () => ({ email: 'raced@example.com' }), 'email_exists'],
    ['number', () => () => ({ phone: '15550007777' }), 'phone_exists'],
    [
      'id',
      (id = randomUUID()) =>
        (n) => ({ id, email: `raced${n}@example.com` }),
      'user_already_exists',
    ],
  ])('of twenty administrators who use one %s at once, one makes a user', async (_what, bodies, error_code) => {
    const body = bodies();
    const responses = await Promise.all(Array.from({ length: 20 }, (_, n) => create(body(n))));
    const codes = responses.map(({ status, body }) => (status === 200 ? 'made' : body.error_code));
    expect(codes.toSorted()).toEqual(['made', ...Array(19).fill(error_code)].toSorted());
    const { rows } = await database.pool.query('select id from auth.users');
    expect(rows).toHaveLength(1);
    const made = (await auditRows(database)).filter(({ subject_id }) => subject_id === rows[0].id);
    expect(made.map(({ action }) => action)).toEqual(['user_signedup']);
  });
});

describe('reading users', () => {
  test('is on record: whom, or how much of the list, and by whom', async () => {
    const ann = await addPerson(app);
    const one = await request.get(`/admin/users/${ann.id}`).set(service);
    expect(await auditRowsOf(app, one)).toMatchObject([{ action: 'users_read', subject_id: ann.id, ...byService }]);
    const page = await request.get('/admin/users?per_page=1&filter=ann').set(service);
    expect(await auditRowsOf(app, page)).toMatchObject([
      { action: 'users_read', subject_id: null, ...byService, details: { filtered: true, offset: '0', returned: 1 } },
    ]);
  });

  test('one by id, in whatever letters, with identities', async () => {
    const { body: made } = await create({ email: address(), email_confirm: true });
    const { status, body } = await request.get(`/admin/users/${made.id.toUpperCase()}`).set(service);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: made.id, confirmed_at: rfc3339(app.clock.now().getTime()) });
    expect(body.identities).toHaveLength(1);
  });

  it.each<[what: string, id: string, error_code: string]>([
    ['nobody', randomUUID(), 'user_not_found'],
    ['the nil id', '00000000-0000-0000-0000-000000000000', 'user_not_found'],
    ['a number', '42', 'validation_failed'],
    ['an id and more', `${randomUUID()}x`, 'validation_failed'],
    ['an id in braces', `{${randomUUID()}}`, 'validation_failed'],
    ['an id without hyphens', randomUUID().replaceAll('-', ''), 'validation_failed'],
    ['a NUL', '%00', 'validation_failed'],
  ])('%s is 404 by every method, whatever the body', async (_what, id, error_code) => {
    const path = `/admin/users/${id}`;
    for (const response of [
      await request.get(path).set(service),
      await request.put(path).set(service).type('json').send('{'),
      await request.delete(path).set(service).type('json').send('{'),
      await request.patch(path).set(service).send({}),
    ]) {
      expect(response.status).toBe(404);
      expect(response.body).toMatchObject({ error_code });
      expect(await auditRowsOf(app, response)).toEqual([
        expect.objectContaining({ action: 'admin_request_failed', error_code, ...byService }),
      ]);
    }
  });

  test('of a user who is there, other methods are 405', async () => {
    const { id } = await addPerson(app);
    expect((await request.patch(`/admin/users/${id}`).set(service).send({})).status).toBe(405);
    expect((await request.put('/admin/users').set(service).send({})).status).toBe(405);
    expect((await request.put('/admin/users').send({})).status).toBe(401);
  });

  test('rows that somebody wrote by hand, NULL wherever a column may be, are read like others', async () => {
    const id = randomUUID();
    await database.pool.query(
      `insert into auth.users (id, aud, email_change, phone_change, email_change_confirm_status)
       values ($1, 'authenticated', null, null, null)`,
      [id],
    );
    const nulls = { app_metadata: null, user_metadata: null, created_at: null, updated_at: null };
    const { body } = await request.get(`/admin/users/${id}`).set(service);
    expect(body).toMatchObject({ id, role: '', email: '', phone: '', identities: [], ...nulls });
    const { body: list } = await request.get('/admin/users').set(service);
    expect(list.users).toEqual([expect.objectContaining({ id, ...nulls })]);
    expect((await change(id, { user_metadata: { seat: 4 }, email: address() })).body).toMatchObject({
      user_metadata: { seat: 4 },
      identities: [{ provider: 'email' }],
    });
  });

  describe('in pages', () => {
    const list = async (search = '') => {
      const response = await request.get(`/admin/users${search}`).set(service);
      expect(response.status).toBe(200);
      return response;
    };
    const emailsOf = ({ body }: Awaited<ReturnType<typeof list>>) =>
      body.users.map(({ email }: { email: string }) => email);

    beforeEach(async () => {
      for (const [name, full_name] of [
        ['ann', 'Ann Ledger'],
        ['bob', 'Bob 100% Quayside'],
        ['cleo_h', 'Zoë \\ Ångström'],
      ]) {
        app.clock.advance(1);
        await addPerson(app, { email: `${name}@example.com`, raw_user_meta_data: { full_name } });
      }
    });

    test('newest first, without identities, with totals for the client', async () => {
      const response = await list('?page=1&per_page=2');
      expect(emailsOf(response)).toEqual(['cleo_h@example.com', 'bob@example.com']);
      expect(response.body.aud).toBe('authenticated');
      expect(response.body.users[0]).toMatchObject({ identities: null });
      expect(response.body.users[0]).not.toHaveProperty('factors');
      expect(response.headers['x-total-count']).toBe('3');
      expect(response.headers.link).toBe(
        '</admin/users?page=2&per_page=2>; rel="next", </admin/users?page=2&per_page=2>; rel="last"',
      );
      expect(emailsOf(await list('?page=2&per_page=2'))).toEqual(['ann@example.com']);
      expect(emailsOf(await list('?page=3&per_page=2'))).toEqual([]);
    });

    test('below /auth/v1 as well, with the links of the API alone', async () => {
      const { headers } = await request.get('/auth/v1/admin/users').set(service);
      expect(headers.link).toBe('</admin/users?page=1>; rel="last"');
    });

    it.each<[sort: string, first: string]>([
      ['created_at asc', 'ann@example.com'],
      ['created_at ASC', 'ann@example.com'],
      ['created_at desc', 'cleo_h@example.com'],
      ['created_at', 'cleo_h@example.com'],
    ])('sorted by %s', async (sort, first) => {
      expect(emailsOf(await list(`?sort=${encodeURIComponent(sort)}`))[0]).toBe(first);
    });

    it.each<[what: string, filter: string, found: string[]]>([
      ['a part of the address', 'ann@', ['ann@example.com']],
      ['a part of the address in other letters', 'ANN@', []],
      ['a part of the name in other letters', 'quaySIDE', ['bob@example.com']],
      ['other alphabets', 'ångström', ['cleo_h@example.com']],
      ['a backslash, which stands for itself', '\\', ['cleo_h@example.com']],
      ['a wildcard of SQL', 'b_b@', ['bob@example.com']],
      ['nothing', '', ['cleo_h@example.com', 'bob@example.com', 'ann@example.com']],
      ['a quote, which ends nothing', "' or true --", []],
    ])('filtered by %s', async (_what, filter, found) => {
      const response = await list(`?filter=${encodeURIComponent(filter)}`);
      expect(emailsOf(response)).toEqual(found);
      expect(response.headers['x-total-count']).toBe(String(found.length));
    });

    test('of one audience, which the header names', async () => {
      await create({ email: 'partner@example.com', aud: 'partners' });
      const { body } = await request.get('/admin/users').set(service).set('X-JWT-AUD', 'partners');
      expect(body.aud).toBe('partners');
      expect(body.users).toEqual([expect.objectContaining({ email: 'partner@example.com' })]);
    });

    it.each<[search: string]>([
      ['?per_page=0'],
      ['?page=-1'],
      ['?page=one'],
      ['?per_page=1.5'],
      ['?page=99999999999999999999'],
      ['?sort=email%20asc'],
      ['?sort=created_at%20sideways'],
      ['?sort='],
      ['?filter=%00'],
      ['?sort=%00'],
    ])('%s is 400', async (search) => {
      const response = await request.get(`/admin/users${search}`).set(service);
      expect(response.status).toBe(400);
      expect(response.body).toMatchObject({ error_code: 'validation_failed' });
      expect(await auditRowsOf(app, response)).toEqual([
        expect.objectContaining({ action: 'admin_request_failed', error_code: 'validation_failed' }),
      ]);
    });

    test('the last page that a number can name is empty', async () => {
      expect(emailsOf(await list('?page=18446744073709551615&per_page=18446744073709551615'))).toEqual([]);
    });
  });
});

describe('changing a user', () => {
  let ann: Person;
  beforeEach(async () => {
    ann = await addPerson(app, { phone: '15550001111' });
  });

  test('what is named changes, the rest stays; id, aud and password_hash are nobody’s to change', async () => {
    const response = await change(ann.id, {
      id: randomUUID(),
      aud: 'partners',
      password_hash: '$2a$10$r.VB8wXXhfhncTQI0Rz3p.rMLDpAmobDW6XHNq6QbOKOzsGCxg3I.',
      role: ' auditor ',
      user_metadata: { email_verified: null, seat: 4 },
      app_metadata: { tenant: 't-7', providers: null },
      email_confirm: false,
    });
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      id: ann.id,
      aud: 'authenticated',
      role: 'auditor',
      email: ann.email,
      app_metadata: { provider: 'email', tenant: 't-7' },
      user_metadata: { sub: ann.id, email: ann.email, phone_verified: false, seat: 4 },
    });
    expect(Object.keys(response.body.app_metadata)).not.toContain('providers');
    expect(response.body.email_confirmed_at).toBeDefined();
    await signIn(app, ann);
    const details = { user_id: ann.id, user_email: ann.email, user_phone: '15550001111' };
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'user_modified',
        outcome: 'success',
        subject_id: ann.id,
        ...byService,
        details: {
          ...details,
          role: 'auditor',
          set: expect.arrayContaining(['role', 'user_metadata', 'app_metadata']),
        },
      }),
    ]);
    expect(await gotrueEntries(ann.id)).toEqual([expect.objectContaining({ log_type: 'user', traits: details })]);
  });

  test('a password ends every session and takes back every token', async () => {
    const { access_token, refresh_token } = await signIn(app, ann);
    await addRecoveryToken(ann.id);
    expect((await change(ann.id, { password: 'another staple entirely' })).status).toBe(200);
    expect(await count('auth.sessions', ann.id)).toBe(0);
    expect(await count('auth.one_time_tokens', ann.id)).toBe(0);
    expect(await rowOf(ann.id)).toMatchObject({ recovery_token: '', recovery_sent_at: null });
    expect((await request.get('/user').set(bearer(access_token))).body).toMatchObject({
      error_code: 'session_not_found',
    });
    expect((await request.post('/token?grant_type=refresh_token').send({ refresh_token })).status).toBe(400);
    await expect(signIn(app, ann)).rejects.toThrow('invalid_credentials');
    await signIn(app, { ...ann, password: 'another staple entirely' });
  });

  test('an address changes at once, in the identity too; the answer shows the identity as it was', async () => {
    const session = await signIn(app, ann);
    const email = address('new');
    const { body } = await change(ann.id, { email: email.toUpperCase() });
    expect(body).toMatchObject({ email, identities: [{ identity_data: { email: ann.email } }] });
    expect(await rowOf(ann.id)).toMatchObject({ email, email_change: '' });
    expect(await identitiesOf(ann.id)).toEqual([
      expect.objectContaining({ email, identity_data: expect.objectContaining({ email, email_verified: false }) }),
    ]);
    await expect(signIn(app, ann)).rejects.toThrow('invalid_credentials');
    await signIn(app, { ...ann, email });
    expect((await request.get('/user').set(bearer(session.access_token))).status).toBe(200);
    expect(app.mailbox.unread()).toBe(0);
  });

  // Otherwise whoever reads the old mailbox has the account (contract appendix C, "One-time tokens").
  it.each<[what: string, body: () => object]>([
    ['a new address', () => ({ email: address('new') })],
    ['a new number', () => ({ phone: '15550002222' })],
    ['the confirmation of an address', () => ({ email_confirm: true })],
  ])('a recovery link from before %s is dead', async (_what, body) => {
    await addRecoveryToken(ann.id);
    expect((await change(ann.id, body())).status).toBe(200);
    expect(await count('auth.one_time_tokens', ann.id)).toBe(0);
    expect(await rowOf(ann.id)).toMatchObject({ recovery_token: '' });
  });

  test('the address that is there already is no new one', async () => {
    await addRecoveryToken(ann.id);
    expect((await change(ann.id, { email: ann.email, email_confirm: false })).status).toBe(200);
    expect(await count('auth.one_time_tokens', ann.id)).toBe(1);
  });

  test('a ban holds at once and leaves sessions; lifted, they go on', async () => {
    const { access_token, refresh_token } = await signIn(app, ann);
    const me = () => request.get('/user').set(bearer(access_token));
    const { body } = await change(ann.id, { ban_duration: '24h' });
    expect(body.banned_until).toBe(rfc3339(app.clock.now().getTime() + 86_400_000));
    expect((await me()).body).toMatchObject({ code: 403, error_code: 'user_banned' });
    const refused = await request.post('/token?grant_type=refresh_token').send({ refresh_token });
    expect(refused.body).toMatchObject({ error_code: 'user_banned' });
    // Empty is absent.
    expect((await change(ann.id, { ban_duration: '' })).body).toHaveProperty('banned_until');
    expect((await change(ann.id, { ban_duration: 'none' })).body).not.toHaveProperty('banned_until');
    expect((await me()).status).toBe(200);
  });

  test('an anonymous user is one no more with a confirmed address', async () => {
    const anonymous = { is_anonymous: true, email_confirmed_at: null, email: null as never, phone: null };
    const { id } = await addPerson(app, anonymous);
    const email = address('known');
    expect((await change(id, { email })).body).toMatchObject({ is_anonymous: true });
    const { body } = await change(id, { email, email_confirm: true });
    expect(body).toMatchObject({ is_anonymous: false, email });
    expect(body).not.toHaveProperty('confirmed_at');
  });

  it.each<[what: string, body: object, status: number, error_code: string]>([
    ['a taken address', { email: 'taken@example.com', role: 'auditor' }, 422, 'email_exists'],
    ['a taken number', { phone: '15550009999', role: 'auditor' }, 422, 'phone_exists'],
    ['what is no address', { email: 'broken' }, 400, 'validation_failed'],
    ['what is no number', { phone: 'x1' }, 400, 'validation_failed'],
    ['an address of another type', { email: 5 }, 400, 'bad_json'],
    ['a weak password', { password: 'abc', role: 'auditor' }, 422, 'weak_password'],
    ['an empty password', { password: '' }, 422, 'weak_password'],
    ['a password of 1,025 characters', { password: 'x'.repeat(1025) }, 400, 'validation_failed'],
    ['what is no duration', { ban_duration: '1d' }, 400, 'validation_failed'],
    ['a role of 256 characters', { role: 'r'.repeat(256) }, 400, 'validation_failed'],
    ['metadata of another type', { user_metadata: [1] }, 400, 'bad_json'],
  ])('refuses %s, changes nothing and records it', async (_what, body, status, error_code) => {
    await addPerson(app, { email: 'taken@example.com', phone: '15550009999' });
    const before = await fingerprint(database);
    const response = await change(ann.id, body);
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject({ error_code });
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'admin_request_failed', outcome: 'failure', error_code, ...byService }),
    ]);
    expect(await fingerprint(database)).toEqual(before);
  });

  test('metadata stays within 64 KiB however many requests it comes in', async () => {
    expect((await change(ann.id, { app_metadata: { one: 'x'.repeat(40_000) } })).status).toBe(200);
    const response = await change(ann.id, { app_metadata: { two: 'x'.repeat(40_000) } });
    expect(response.body).toMatchObject({ code: 400, error_code: 'validation_failed' });
    expect((await rowOf(ann.id)).raw_app_meta_data).not.toHaveProperty('two');
    expect((await change(ann.id, { app_metadata: { one: null } })).status).toBe(200);
  });

  test('of twenty people moved to one address at once, one has it, and nobody is half moved', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, () => addPerson(app)));
    const responses = await Promise.all(
      people.map(({ id }) => change(id, { email: 'raced@example.com', role: 'moved' })),
    );
    const codes = responses.map(({ status, body }) => (status === 200 ? 'moved' : body.error_code));
    expect(codes.toSorted()).toEqual([...Array(19).fill('email_exists'), 'moved']);
    const { rows } = await database.pool.query(
      `select u.id, count(i) from auth.users as u left join auth.identities as i on i.email = 'raced@example.com'
        where role = 'moved' group by u.id`,
    );
    expect(rows).toEqual([{ id: expect.any(String), count: 1 }]);
  });

  test('twenty changes of one user at once are all made', async () => {
    const seats = Array.from({ length: 20 }, (_, seat) => `seat${seat}`);
    await Promise.all(seats.map((seat) => change(ann.id, { user_metadata: { [seat]: true } })));
    const { raw_user_meta_data } = await rowOf(ann.id);
    expect(Object.keys(raw_user_meta_data as object)).toEqual(expect.arrayContaining(seats));
  });
});

describe('deleting a user', () => {
  test('removes the row and all that is hers; the address is free again', async () => {
    const ann = await addSignedInPerson(app);
    await addRecoveryToken(ann.id);
    const response = await remove(ann.id);
    expect([response.status, response.body]).toEqual([200, {}]);
    expect(await rowOf(ann.id)).toBeUndefined();
    for (const table of ['auth.identities', 'auth.sessions', 'auth.one_time_tokens']) {
      expect(await count(table, ann.id)).toBe(0);
    }
    const details = { user_id: ann.id, user_email: ann.email, user_phone: '' };
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'user_deleted',
        outcome: 'success',
        subject_id: ann.id,
        ...byService,
        details: { ...details, softly: false },
      }),
    ]);
    expect((await gotrueEntries(ann.id)).at(-1)).toMatchObject({
      action: 'user_deleted',
      log_type: 'team',
      traits: details,
    });
    expect((await request.get('/user').set(bearer(ann.access_token))).body).toMatchObject({
      error_code: 'user_not_found',
    });
    expect((await remove(ann.id)).body).toMatchObject({ code: 404, error_code: 'user_not_found' });
    expect((await create({ email: ann.email })).status).toBe(200);
  });

  test('softly leaves a row without a person: pseudonyms, no password, no metadata, no rights', async () => {
    const ann = await addSignedInPerson(app, { phone: '15550001111' });
    await addRecoveryToken(ann.id);
    await database.pool.query(`insert into gatehouse.role_grants (user_id, role) values ($1, 'admin')`, [ann.id]);
    expect((await remove(ann.id, { should_soft_delete: true })).status).toBe(200);

    const pseudonym = (value: string) => sha256base64url(ann.id + value);
    expect(await rowOf(ann.id)).toMatchObject({
      email: pseudonym(ann.email),
      phone: pseudonym('15550001111').slice(0, 15),
      email_change: pseudonym(''),
      phone_change: pseudonym('').slice(0, 15),
      encrypted_password: null,
      raw_app_meta_data: {},
      raw_user_meta_data: {},
      recovery_token: '',
      deleted_at: rfc3339(app.clock.now().getTime()),
    });
    expect(await identitiesOf(ann.id)).toEqual([
      { provider: 'email', provider_id: pseudonym(`email:${ann.id}`), identity_data: {}, email: null },
    ]);
    for (const table of ['auth.sessions', 'auth.one_time_tokens', 'gatehouse.role_grants']) {
      expect(await count(table, ann.id)).toBe(0);
    }
    await expect(signIn(app, ann)).rejects.toThrow('invalid_credentials');
    expect((await create({ email: ann.email, phone: '15550001111' })).status).toBe(200);
  });

  test('softly twice is softly once, and on record twice; then for good', async () => {
    const { id } = await addPerson(app);
    await remove(id, { should_soft_delete: true });
    const once = await rowOf(id);
    app.clock.advance(60);
    expect((await remove(id, { should_soft_delete: true })).status).toBe(200);
    expect(await rowOf(id)).toEqual(once);
    expect((await remove(id, { should_soft_delete: false })).status).toBe(200);
    expect(await rowOf(id)).toBeUndefined();
    const actions = (await gotrueEntries(id)).map(({ action }) => action);
    expect(actions).toEqual(['user_deleted', 'user_deleted', 'user_deleted']);
  });

  test('a softly deleted user comes back with an address, of which nothing is proven', async () => {
    const { id } = await addPerson(app, { phone: '15550001111', phone_confirmed_at: app.clock.now().toISOString() });
    await remove(id, { should_soft_delete: true });
    expect((await change(id, { user_metadata: { seat: 4 } })).body).toHaveProperty('deleted_at');
    const email = address('again');
    const { body } = await change(id, { email, password: 'another staple entirely' });
    expect(body).toMatchObject({ email, phone: '' });
    for (const gone of ['deleted_at', 'email_confirmed_at', 'phone_confirmed_at', 'new_email', 'new_phone']) {
      expect(body).not.toHaveProperty(gone);
    }
    const again = { id, email, password: 'another staple entirely' };
    await expect(signIn(app, again)).rejects.toThrow('email_not_confirmed');
    await change(id, { email_confirm: true });
    await signIn(app, again);
  });

  test('a user whom a table of the portal refers to stays, and the administrator is told why', async () => {
    const { id } = await addPerson(app);
    await database.pool.query('create table public.orders (buyer uuid references auth.users (id))');
    await database.pool.query('insert into public.orders values ($1)', [id]);
    const response = await remove(id);
    expect(response.body).toMatchObject({ code: 409, error_code: 'conflict' });
    expect(await rowOf(id)).toBeDefined();
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({
        action: 'admin_request_failed',
        error_code: 'conflict',
        reason: 'public.orders refers to the user',
      }),
    ]);
    await database.pool.query('drop table public.orders');
  });

  it.each<[what: string, body: string, status: number]>([
    ['nothing', '', 200],
    ['an empty object', '{}', 200],
    ['null', 'null', 200],
    ['half an object', '{', 400],
    ['a flag of another type', '{"should_soft_delete":"yes"}', 400],
  ])('a body of %s is %s', async (_what, body, status) => {
    const { id } = await addPerson(app);
    const response = await request.delete(`/admin/users/${id}`).set(service).type('json').send(body);
    expect(response.status).toBe(status);
    expect((await rowOf(id)) === undefined).toBe(status === 200);
  });
});

describe('who may', () => {
  test('a user who was granted admin, in their own name', async () => {
    const admin = await addSignedInPerson(app);
    await database.pool.query(`insert into gatehouse.role_grants (user_id, role) values ($1, 'admin')`, [admin.id]);
    const response = await request.post('/admin/users').set(bearer(admin.access_token)).send({ email: address() });
    expect(response.status).toBe(200);
    expect(await auditRowsOf(app, response)).toEqual([
      expect.objectContaining({ action: 'user_signedup', actor_id: admin.id, subject_id: response.body.id }),
    ]);
  });

  test('nobody else: the refusal comes before the user is looked for', async () => {
    const ann = await addSignedInPerson(app);
    for (const id of [ann.id, randomUUID(), '42']) {
      const response = await request.get(`/admin/users/${id}`).set(bearer(ann.access_token));
      expect(response.body).toMatchObject({ code: 403, error_code: 'not_admin' });
      expect(await auditRowsOf(app, response)).toEqual([
        expect.objectContaining({ action: 'admin_request_failed', actor_id: ann.id, error_code: 'not_admin' }),
      ]);
    }
  });
});

async function addRecoveryToken(user_id: string): Promise<void> {
  const hash = randomUUID().replaceAll('-', '').padEnd(56, '0');
  await database.pool.query(
    `with person as (update auth.users set recovery_token = $2, recovery_sent_at = now() where id = $1)
     insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
     values (gen_random_uuid(), $1, 'recovery_token', $2, 'ann@example.com')`,
    [user_id, hash],
  );
}

function sha256base64url(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A time as GoTrue prints it: no trailing zeros. */
function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.?0+Z$/, 'Z');
}
