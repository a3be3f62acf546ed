/** GET /metrics: what a monitoring system sees of the mails, and that nobody else does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, disableClient, type NewClient } from '../../src/clients/clients.ts';
import { occasionOfCommand } from '../../src/command.ts';
import { auditRows, auditRowsOf, startApp, type TestApp } from '../harness/app.ts';
import { addSignedInPerson, bearer, serviceKey } from '../harness/people.ts';

let app: TestApp;
let monitor: NewClient;
const actor = { role: 'operator', username: 'root' };

beforeAll(async () => {
  app = await startApp();
  monitor = await addClient('monitor');
});
afterAll(() => app.close());

async function addClient(name: string): Promise<NewClient> {
  const made = await createClient(app.database.db, { name, actor }, occasionOfCommand('test', app.clock.now()));
  if (!made) throw new Error('the name is free');
  return made;
}

const ask = ({ client_id, client_secret }: NewClient = monitor) =>
  app.request.get('/metrics').auth(client_id, client_secret);

/** The samples, by name. */
async function figures(): Promise<Record<string, number>> {
  const { text } = await ask();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(samples.map((line) => line.split(' ')).map(([name = '', value]) => [name, Number(value)]));
}

const failures = async () => (await auditRows(app.database)).filter(({ action }) => action === 'mail_failed').length;

const recover = async () => {
  const { email } = await addSignedInPerson(app);
  await app.request.post('/recover').send({ email });
  return email;
};

it('is text that Prometheus reads', async () => {
  const { status, type, text } = await ask();
  expect([status, type]).toEqual([200, 'text/plain']);
  expect(text).toBe(`# HELP gatehouse_mails_owed Mails that have not left yet.
# TYPE gatehouse_mails_owed gauge
gatehouse_mails_owed 0
# HELP gatehouse_mails_put_off Of those, the ones that the mail server did not take so far.
# TYPE gatehouse_mails_put_off gauge
gatehouse_mails_put_off 0
# HELP gatehouse_mails_oldest_owed_seconds How long the oldest of them has been owed.
# TYPE gatehouse_mails_oldest_owed_seconds gauge
gatehouse_mails_oldest_owed_seconds 0
# HELP gatehouse_mails_given_up Mails of the last 30 days that will never leave.
# TYPE gatehouse_mails_given_up gauge
gatehouse_mails_given_up 0
`);
});

it('shows a mail server that takes nothing, from the first mail on, and that it is back', async () => {
  app.mailbox.mode = 'busy';
  const first = await recover();
  await expect.poll(failures).toBe(1);
  app.clock.advance(7);
  expect(await figures()).toEqual({
    gatehouse_mails_owed: 1,
    gatehouse_mails_put_off: 1,
    gatehouse_mails_oldest_owed_seconds: 7,
    gatehouse_mails_given_up: 0,
  });

  app.mailbox.mode = 'accept';
  app.clock.advance(60);
  await recover();
  await app.mailbox.next(first);
  await expect.poll(figures).toMatchObject({ gatehouse_mails_owed: 0, gatehouse_mails_put_off: 0 });
});

it('shows an address that bounces', async () => {
  app.mailbox.mode = 'refuse';
  await recover();
  await expect.poll(figures).toMatchObject({ gatehouse_mails_owed: 0, gatehouse_mails_given_up: 1 });
  app.mailbox.mode = 'accept';
});

// That a mail is owed tells that an address has an account.
describe('is for clients alone, 401 and on record for', () => {
  it.each<[string, () => PromiseLike<Awaited<ReturnType<typeof ask>>>, string]>([
    ['nobody', () => app.request.get('/metrics'), 'no client credentials'],
    [
      'a user',
      async () => app.request.get('/metrics').set(bearer((await addSignedInPerson(app)).access_token)),
      'no client credentials',
    ],
    ['a service key', () => app.request.get('/metrics').set(bearer(serviceKey(app))), 'no client credentials'],
    ['a secret in the query', () => app.request.get('/metrics').query({ ...monitor }), 'no client credentials'],
    ['a wrong secret', () => ask({ ...monitor, client_secret: 'x' }), 'wrong client secret'],
    [
      'a client that was disabled',
      async () => {
        const gone = await addClient('gone');
        await disableClient(app.database.db, { named: 'gone', actor }, occasionOfCommand('test', app.clock.now()));
        return ask(gone);
      },
      'the client is disabled',
    ],
  ])('%s', async (_who, asked, reason) => {
    const response = await asked();
    expect([response.status, response.body.error]).toEqual([401, 'invalid_client']);
    expect(response.text).not.toContain('gatehouse_mails');
    expect(await auditRowsOf(app, response)).toMatchObject([
      { action: 'request_failed', outcome: 'failure', error_code: 'invalid_client', reason },
    ]);
  });
});
