/** What a request costs PostgreSQL, counted on the wire (DESIGN §1.7): a door that grows a round trip fails here. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startApp, statementsDuring, type TestApp } from './harness/app.ts';
import { addPerson, addSignedInPerson, bearer, type Person } from './harness/people.ts';

/** PostgreSQL plans a statement's first runs for their values, and then weighs whether to keep one plan for all. */
const RUNS_BEFORE_A_LASTING_PLAN = 5;

let app: TestApp;
let person: Person;

beforeAll(async () => {
  app = await startApp();
  person = await addPerson(app);
});
afterAll(() => app.close());

async function statementsOf(request: () => Promise<{ status: number }>): Promise<string[]> {
  return statementsDuring(app.gatehouse, async () => expect((await request()).status).toBe(200));
}

async function addCrowd({ database }: TestApp): Promise<void> {
  await database.pool.query(
    `insert into auth.users (id, aud, role, email)
     select gen_random_uuid(), 'authenticated', 'authenticated', n || '@crowd.example' from generate_series(1, 5000) as n`,
  );
  await database.pool.query('analyze auth.users');
}

const signInByPassword = async () =>
  app.request.post('/token?grant_type=password').send({ email: person.email, password: person.password });

test('a refresh is one statement, audit row and user included', async () => {
  const { refresh_token } = await addSignedInPerson(app);
  expect(
    await statementsOf(async () => app.request.post('/token?grant_type=refresh_token').send({ refresh_token })),
  ).toHaveLength(1);
});

test('GET /user is one statement, token check included', async () => {
  const { access_token } = await addSignedInPerson(app);
  expect(await statementsOf(async () => app.request.get('/user').set(bearer(access_token)))).toHaveLength(1);
});

test('a sign-in is two statements: who it is before the hash, and all that changes after it', async () => {
  expect(await statementsOf(signInByPassword)).toHaveLength(2);
});

test('what a sign-in, a refresh and GET /user ask is planned once per connection, not at every request', async () => {
  const small = await startApp({ settings: { db_max_pool_size: 1 } });
  onTestFinished(() => small.close());
  const { email, password } = await addPerson(small);
  // In a small table every plan costs the same.
  await addCrowd(small);
  for (let n = 0; n < RUNS_BEFORE_A_LASTING_PLAN + 3; n++) {
    const { body } = await small.request.post('/token?grant_type=password').send({ email, password }).expect(200);
    await small.request.get('/user').set(bearer(body.access_token)).expect(200);
    await small.request.post('/token?grant_type=refresh_token').send({ refresh_token: body.refresh_token }).expect(200);
  }
  const { rows } = await small.gatehouse.db.$client.query(
    'select name, generic_plans > 0 as lasting from pg_prepared_statements where generic_plans + custom_plans > $1',
    [RUNS_BEFORE_A_LASTING_PLAN],
  );
  expect(rows.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['find_sign_in_candidate_by_email', 'sign_in', 'rotate_refresh_tokens']),
  );
  expect(rows.filter(({ lasting }) => !lasting)).toEqual([]);
});

test('begin and commit are counted', async () => {
  const statements = await statementsDuring(app.gatehouse, async () => {
    await app.gatehouse.db.transaction(async (tx) => tx.execute('select 1'));
    await expect(app.gatehouse.db.execute('select no_such_column')).rejects.toThrow();
  });
  expect(statements).toEqual(['BEGIN', 'SELECT 1', 'COMMIT', 'ERROR']);
});
