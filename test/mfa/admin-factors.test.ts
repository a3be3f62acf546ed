/** Second factors and passkeys in the hands of an administrator (contract §9.6). The recordings need enrolling to play. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { fingerprint } from '../harness/fingerprint.ts';
import { differences } from '../harness/openapi.ts';
import { addSignedInPerson, bearer, claimsOf, type SignedInPerson, serviceKey, signIn } from '../harness/people.ts';

let app: TestApp;
let ann: SignedInPerson;
let bob: SignedInPerson;
beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());
beforeEach(async () => {
  ann = await addSignedInPerson(app);
  bob = await addSignedInPerson(app);
});

const service = () => bearer(serviceKey(app));
const factorsOf = ({ id } = ann) => `/admin/users/${id}/factors`;

async function addFactor({ id } = ann, columns: Record<string, unknown> = {}): Promise<string> {
  const row = {
    id: randomUUID(),
    user_id: id,
    friendly_name: 'pocket',
    factor_type: 'totp',
    status: 'verified',
    created_at: app.clock.now().toISOString(),
    updated_at: app.clock.now().toISOString(),
    secret: 'JBSWY3DPEHPK3PXP',
    ...columns,
  };
  await app.database.pool.query(
    `insert into auth.mfa_factors (${Object.keys(row).join(', ')})
     values (${Object.keys(row).map((_, index) => `$${index + 1}`)})`,
    Object.values(row),
  );
  return row.id;
}

/** The session is raised by this factor, as its verification leaves it. */
async function raise({ session_id }: SignedInPerson, factor_id: string, method: string) {
  await app.database.pool.query(`update auth.sessions set aal = 'aal2', factor_id = $2 where id = $1`, [
    session_id,
    factor_id,
  ]);
  await app.database.pool.query(
    `insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)
     values (gen_random_uuid(), $1, now(), now(), $2)`,
    [session_id, method],
  );
}

const sessionOf = async ({ session_id }: SignedInPerson) =>
  (
    await app.database.pool.query(
      `select aal, factor_id, array(select authentication_method from auth.mfa_amr_claims where session_id = s.id
                                     order by 1) as methods
         from auth.sessions as s where id = $1`,
      [session_id],
    )
  ).rows[0];

const entriesOf = async (action: string, { id } = ann) =>
  (
    await app.database.pool.query(
      `select payload from auth.audit_log_entries
        where payload ->> 'action' = $1 and payload -> 'traits' ->> 'user_id' = $2`,
      [action, id],
    )
  ).rows.map(({ payload }) => payload);

describe('GET /admin/users/{user_id}/factors', () => {
  it("lists the user's factors without their secrets, on record as a reading", async () => {
    expect((await app.request.get(factorsOf()).set(service())).body).toEqual([]);
    const id = await addFactor();
    await addFactor(bob);
    const response = await app.request.get(factorsOf()).set(service());
    expect([response.status, ...differences('GET /admin/users/{user_id}/factors', response)]).toEqual([200]);
    expect(response.body).toEqual([
      {
        id,
        created_at: expect.stringMatching(/Z$/),
        updated_at: expect.stringMatching(/Z$/),
        status: 'verified',
        friendly_name: 'pocket',
        factor_type: 'totp',
        phone: '',
        last_challenged_at: null,
      },
    ]);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'users_read', subject_id: ann.id }]);
  });

  it.each([null, ''])('leaves out a name that there is not: %j', async (friendly_name) => {
    await addFactor(ann, { friendly_name });
    expect((await app.request.get(factorsOf()).set(service())).body[0]).not.toHaveProperty('friendly_name');
    const { body } = await app.request.get('/user').set(bearer(ann.access_token));
    expect(body.factors[0]).not.toHaveProperty('friendly_name');
  });
});

describe('PUT /admin/users/{user_id}/factors/{factor_id}', () => {
  const change = (id: string, body: object, person = ann) =>
    app.request
      .put(`${factorsOf(person)}/${id}`)
      .set(service())
      .send(body);

  it('renames a factor, on record with what kind it is', async () => {
    const id = await addFactor();
    const response = await change(id, { friendly_name: 'coat' });
    expect([response.status, response.body.id, response.body.friendly_name]).toEqual([200, id, 'coat']);
    expect(differences('PUT /admin/users/{user_id}/factors/{factor_id}', response)).toEqual([]);
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'factor_updated',
        outcome: 'success',
        actor_name: 'service_role',
        subject_id: ann.id,
        details: { user_id: ann.id, factor_id: id, factor_type: 'totp' },
      },
    ]);
    expect(await entriesOf('factor_updated')).toMatchObject([{ actor_username: 'service_role', log_type: 'factor' }]);
  });

  it.each([
    ['nothing', {}],
    ['empty members', { friendly_name: '', phone: '' }],
    ['a number for what is no phone', { phone: '15550001111' }],
    // Class 25: what makes a factor count is nobody's to write.
    [
      'members that are not its to set',
      { status: 'verified', secret: 'A', user_id: randomUUID(), factor_type: 'phone' },
    ],
  ])('changes nothing for %s', async (_, body) => {
    const id = await addFactor(ann, { status: 'unverified' });
    const before = await fingerprint(app.database);
    const response = await change(id, body);
    expect([response.status, response.body.status]).toEqual([200, 'unverified']);
    const after = await fingerprint(app.database);
    expect(after['auth.mfa_factors']).toBe(before['auth.mfa_factors']);
  });

  it('gives a phone another number', async () => {
    const id = await addFactor(ann, { factor_type: 'phone', phone: '15550001111' });
    expect((await change(id, { phone: '+1 555 000 2222' })).body.phone).toBe('15550002222');
    const refused = await change(id, { phone: 'nonsense' });
    expect([refused.status, refused.body.error_code]).toEqual([400, 'validation_failed']);
  });

  // PostgreSQL indexes it, and has no room for more than 2,704 bytes.
  it.each([
    ['more than 255 characters', 'x'.repeat(256)],
    ['a NUL', 'a\0b'],
    ['what no index has room for', randomBytes(4000).toString('hex')],
  ])('refuses a name of %s', async (_, friendly_name) => {
    const id = await addFactor();
    const { status, body } = await change(id, { friendly_name });
    expect([status, body.error_code]).toEqual([400, 'validation_failed']);
    expect((await change(id, { friendly_name: '🔑'.repeat(255) })).status).toBe(200);
  });

  it('refuses a name and a number that another factor of the user has', async () => {
    await addFactor(ann, { friendly_name: 'drawer' });
    await addFactor(ann, { friendly_name: 'desk', factor_type: 'phone', phone: '15550003333' });
    const id = await addFactor(ann, { factor_type: 'phone', phone: '15550004444' });
    const before = await fingerprint(app.database);
    const name = await change(id, { friendly_name: 'drawer' });
    expect([name.status, name.body.error_code]).toEqual([422, 'mfa_factor_name_conflict']);
    const number = await change(id, { phone: '15550003333' });
    expect([number.status, number.body.error_code]).toEqual([422, 'phone_exists']);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, name)).toMatchObject([{ action: 'admin_request_failed' }]);
    await addFactor(bob, { friendly_name: 'taken by bob' });
    expect((await change(id, { friendly_name: 'taken by bob' })).status).toBe(200);
  });
});

describe('DELETE /admin/users/{user_id}/factors/{factor_id}', () => {
  const remove = (id: string, person = ann) => app.request.delete(`${factorsOf(person)}/${id}`).set(service());

  it('removes it and lowers the sessions that it raised; ours names the administrator, GoTrue’s the user', async () => {
    const id = await addFactor();
    await raise(ann, id, 'totp');
    const response = await remove(id);

    expect([response.status, response.body.id, response.body.status]).toEqual([200, id, 'verified']);
    expect(differences('DELETE /admin/users/{user_id}/factors/{factor_id}', response)).toEqual([]);
    expect(await sessionOf(ann)).toEqual({ aal: 'aal1', factor_id: null, methods: ['password'] });
    const { body } = await app.request
      .post('/token?grant_type=refresh_token')
      .send({ refresh_token: ann.refresh_token });
    expect(claimsOf(body.access_token)).toMatchObject({ aal: 'aal1' });
    expect(await auditRowsOf(app, response)).toMatchObject([
      {
        action: 'factor_deleted',
        actor_id: null,
        actor_name: 'service_role',
        subject_id: ann.id,
        details: { user_id: ann.id, factor_id: id },
      },
    ]);
    expect(await entriesOf('factor_deleted')).toMatchObject([{ actor_id: ann.id, actor_username: ann.email }]);
    expect((await remove(id)).body.error_code).toBe('mfa_factor_not_found');
  });

  it.each([
    ['totp', 'totp'],
    ['phone', 'mfa/phone'],
    ['webauthn', 'mfa/webauthn'],
  ])('of a %s removes the method of that kind and no other', async (factor_type, method) => {
    const id = await addFactor(ann, { factor_type });
    await raise(ann, id, 'recovery');
    await raise(ann, id, method);
    const other = await addFactor(bob, { factor_type });
    await raise(bob, other, method);
    await remove(id);
    expect((await sessionOf(ann)).methods).toEqual(['password', 'recovery']);
    expect(await sessionOf(bob)).toMatchObject({ aal: 'aal2', factor_id: other });
  });

  it('leaves a session alone that another factor of the user raised', async () => {
    const [pocket, drawer] = [await addFactor(), await addFactor(ann, { friendly_name: 'drawer' })];
    const phone = await signIn(app, ann);
    await raise(ann, pocket, 'totp');
    await raise(phone, drawer, 'totp');
    await remove(pocket);
    expect(await sessionOf(phone)).toEqual({ aal: 'aal2', factor_id: drawer, methods: ['password', 'totp'] });
    expect(await sessionOf(ann)).toMatchObject({ aal: 'aal1', methods: ['password'] });
  });

  it('of twenty at once removes it once', async () => {
    const id = await addFactor();
    const answers = await Promise.all(Array.from({ length: 20 }, () => remove(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(404)]);
    expect(await entriesOf('factor_deleted')).toHaveLength(1);
  });
});

describe('passkeys', () => {
  const passkeysOf = ({ id } = ann) => `/admin/users/${id}/passkeys`;
  async function addPasskey({ id } = ann): Promise<string> {
    const { rows } = await app.database.pool.query(
      `insert into auth.webauthn_credentials (id, user_id, credential_id, public_key, friendly_name)
       values (gen_random_uuid(), $1, $2, '\\x0304', 'door key') returning id`,
      [id, Buffer.from(randomUUID())],
    );
    return rows[0].id;
  }

  it('are listed without their keys and removed', async () => {
    const id = await addPasskey();
    const listed = await app.request.get(passkeysOf()).set(service());
    expect(listed.body).toEqual([{ id, friendly_name: 'door key', created_at: expect.stringMatching(/Z$/) }]);
    expect(differences('GET /admin/users/{user_id}/passkeys', listed)).toEqual([]);
    expect(await auditRowsOf(app, listed)).toMatchObject([{ action: 'users_read', subject_id: ann.id }]);

    const removed = await app.request.delete(`${passkeysOf()}/${id}`).set(service());
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect(await auditRowsOf(app, removed)).toMatchObject([
      { action: 'passkey_deleted', subject_id: ann.id, details: { user_id: ann.id, passkey_id: id } },
    ]);
    expect((await app.request.get(passkeysOf()).set(service())).body).toEqual([]);
  });

  it.each<[string, () => Promise<string> | string]>([
    ["another user's", () => addPasskey(bob)],
    ['nobody’s', () => randomUUID()],
    ['what is no id', () => 'x'],
  ])('are not found: %s', async (_, id) => {
    const path = `${passkeysOf()}/${await id()}`;
    const before = await fingerprint(app.database);
    const response = await app.request.delete(path).set(service());
    expect([response.status, response.body.error_code]).toEqual([404, 'validation_failed']);
    expect(await fingerprint(app.database)).toEqual(before);
  });
});

// Classes 26 and 27: of another user, of nobody, and of what is no id, there is no factor.
describe.each(['put', 'delete'] as const)('%s knows no factor for', (method) => {
  test.each<[string, () => Promise<string>, number, string]>([
    ["another user's", async () => `${factorsOf()}/${await addFactor(bob)}`, 404, 'mfa_factor_not_found'],
    ['nobody’s', async () => `${factorsOf()}/${randomUUID()}`, 404, 'mfa_factor_not_found'],
    ['no id', async () => `${factorsOf()}/x`, 404, 'validation_failed'],
    ['an unknown user', async () => `/admin/users/${randomUUID()}/factors/${await addFactor()}`, 404, 'user_not_found'],
    ['no id of a user', async () => `/admin/users/x/factors/${await addFactor()}`, 404, 'validation_failed'],
  ])('%s', async (_, path, status, error_code) => {
    const to = await path();
    const before = await fingerprint(app.database);
    const response = await app.request[method](to).set(service()).send({ friendly_name: 'mine' });
    expect([response.status, response.body.error_code]).toEqual([status, error_code]);
    expect(await fingerprint(app.database)).toEqual(before);
    expect(await auditRowsOf(app, response)).toMatchObject([{ action: 'admin_request_failed', error_code }]);
  });
});
