import { afterAll, expect, test } from 'vitest';
import { openMailbox } from '../harness/mailbox.ts';
import { openPostOffice } from './outbox.ts';

const office = await openPostOffice();
const { clock } = office;
const mailbox = await openMailbox();
afterAll(() => mailbox.close());

test('without a mail server and a directory nothing is sent, it is said at start, and nothing is kept', async () => {
  const nowhere = office.mailer(undefined);
  expect(office.log.lines().at(-1)).toMatchObject({ level: 'warn', msg: expect.stringContaining('no mail is sent') });
  const to = await office.owe(nowhere);
  nowhere.wake();
  const row = await office.eventually(to, ({ is_given_up }) => is_given_up);
  expect(row).toMatchObject({ body_text: '', last_error: 'no mail server is configured' });
  await nowhere.close();
});

test('a mail is pursued no longer than its link lives', async () => {
  const brief = office.mailer(mailbox.port, { mailer_otp_exp: 60 });
  mailbox.mode = 'busy';
  const to = await office.owe(brief);
  brief.wake();
  expect(await office.eventually(to, ({ failures }) => failures === 1)).toMatchObject({ is_given_up: false });
  clock.advance(15);
  brief.wake();
  expect(await office.eventually(to, ({ failures }) => failures === 2)).toMatchObject({ is_given_up: false });
  // The next attempt would be a minute from here.
  clock.advance(40);
  brief.wake();
  expect(await office.eventually(to, ({ failures }) => failures === 3)).toMatchObject({ is_given_up: true });
  mailbox.mode = 'accept';
});
