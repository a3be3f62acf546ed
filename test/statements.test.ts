/** What a request costs PostgreSQL, counted on the wire (DESIGN §1.7): a door that grows a round trip fails here. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApp, statementsDuring, type TestApp } from './harness/app.ts';
import { addPerson, addSignedInPerson, bearer, type Person } from './harness/people.ts';

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

test('begin and commit are counted', async () => {
  const statements = await statementsDuring(app.gatehouse, async () => {
    await app.gatehouse.db.transaction(async (tx) => tx.execute('select 1'));
    await expect(app.gatehouse.db.execute('select no_such_column')).rejects.toThrow();
  });
  expect(statements).toEqual(['BEGIN', 'SELECT 1', 'COMMIT', 'ERROR']);
});
