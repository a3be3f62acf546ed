import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { deleteOldMails } from '../../src/mail/outbox.sql.ts';
import { openMailbox } from '../harness/mailbox.ts';
import { exampleMail, LINK, openPostOffice } from './outbox.ts';

const office = await openPostOffice();
const { database, clock, log } = office;
const mailbox = await openMailbox();
afterAll(() => mailbox.close());
const mailer = office.mailer(mailbox.port, { smtp_sender_name: 'Portal, "the" one' });

const address = () => `ann.${randomUUID().slice(0, 8)}@example.com`;

test('a mail leaves after the commit of what it is about, from us, to one person, as text and HTML', async () => {
  const to = await office.owe(mailer);
  mailer.wake();

  const mail = await mailbox.next(to);
  expect(mail).toMatchObject({ to, subject: 'Confirm your email address', links: [LINK] });
  expect(mail.from).toBe('"Portal, \\"the\\" one" <auth@portal.example.com>');
  expect(mail.text).toContain(LINK);
  expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
  const [row] = await office.rows(to);
  expect(mail.headers.get('message-id')).toBe(`<${row?.id}@portal.example.com>`);
});

test('what a mail said is forgotten once it has left, and it is on record whose it was', async () => {
  const user_id = randomUUID();
  const to = await office.owe(mailer, { ...exampleMail('reauthentication'), user_id, to: address() });
  const [owed] = await office.rows(to);
  expect(owed?.subject).toBe('482913 is your verification code');
  mailer.wake();

  const row = await office.eventually(to, ({ is_sent }) => is_sent);
  expect(row).toMatchObject({ subject: '', body_text: '', body_html: '', attempts: 1, last_error: null });
  const { rows } = await database.pool.query(
    `select action, outcome, subject_id, details from audit.events where details ->> 'mail' = $1`,
    [row.id],
  );
  expect(rows).toEqual([
    {
      action: 'mail_sent',
      outcome: 'success',
      subject_id: user_id,
      details: { mail: row.id, kind: 'reauthentication', attempts: 1 },
    },
  ]);
  expect(log.written()).not.toContain('482913');
});

test('to whom mails went that have left or were given up is forgotten in the end, what is owed is kept', async () => {
  const sent = await office.owe(mailer);
  mailer.wake();
  await mailbox.next(sent);
  await office.eventually(sent, ({ is_sent }) => is_sent);
  mailbox.mode = 'refuse';
  const givenUp = await office.owe(mailer);
  mailer.wake();
  await office.eventually(givenUp, ({ is_given_up }) => is_given_up);
  mailbox.mode = 'busy';
  const owed = await office.owe(mailer);
  mailer.wake();
  await office.eventually(owed, ({ failures }) => failures === 1);
  const counts = async () => Promise.all([sent, givenUp, owed].map(async (to) => (await office.rows(to)).length));

  await deleteOldMails(database.db, { made_before: clock.now().toISOString() });
  expect(await counts()).toEqual([1, 1, 1]);
  await deleteOldMails(database.db, { made_before: new Date(clock.now().getTime() + 1).toISOString() });
  expect(await counts()).toEqual([0, 0, 1]);

  mailbox.mode = 'accept';
  clock.advance(60);
  mailer.wake();
  await mailbox.next(owed);
});

test('a mail of a change that did not come to pass never leaves', async () => {
  const to = address();
  await expect(
    inTransaction(database.db, async (tx) => {
      await mailer.enqueue(tx, exampleMail('confirmation', { to }), clock.now());
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  mailer.wake();
  const after = await office.owe(mailer);
  mailer.wake();
  await mailbox.next(after);
  expect(mailbox.unread(to)).toBe(0);
  expect(await office.rows(to)).toEqual([]);
});

test('four instances send fifty mails, each once', async () => {
  const others = [office.mailer(mailbox.port), office.mailer(mailbox.port), office.mailer(mailbox.port)];
  const all = await Promise.all(Array.from({ length: 50 }, () => office.owe(mailer)));
  for (const each of [mailer, ...others]) each.wake();

  for (const to of all) await mailbox.next(to);
  for (const to of all) await office.eventually(to, ({ is_sent }) => is_sent);
  for (const to of all) expect(mailbox.unread(to)).toBe(0);
  const attempts = (await Promise.all(all.map((to) => office.rows(to)))).flat().map((row) => row.attempts);
  expect(attempts).toEqual(attempts.map(() => 1));
});

test('whoever owes a mail does not wait for a server that takes its time, and others are sent meanwhile', async () => {
  mailbox.mode = 'slow';
  const slow = await office.owe(mailer);
  mailer.wake();
  await office.eventually(slow, ({ attempts }) => attempts === 1);
  mailbox.mode = 'accept';
  await mailbox.next(slow);
  expect(await office.eventually(slow, ({ is_sent }) => is_sent)).toMatchObject({ attempts: 1 });
});

test('a mail that the server puts off is tried again, later each time', async () => {
  mailbox.mode = 'busy';
  const to = await office.owe(mailer);
  mailer.wake();
  const first = await office.eventually(to, ({ failures }) => failures === 1);
  expect(first).toMatchObject({ attempts: 1, last_error: 'EENVELOPE 451', is_sent: false, is_given_up: false });
  expect(first.body_text).toContain(LINK);

  // Its time has not come.
  clock.advance(9);
  const other = await office.owe(mailer);
  mailer.wake();
  await office.eventually(other, ({ failures }) => failures === 1);
  expect(await office.rows(to)).toMatchObject([{ attempts: 1 }]);

  clock.advance(5);
  mailer.wake();
  await office.eventually(to, ({ failures }) => failures === 2);
  clock.advance(20);
  mailer.wake();
  await office.eventually(other, ({ failures }) => failures === 2);
  expect(await office.rows(to)).toMatchObject([{ attempts: 2 }]);

  mailbox.mode = 'accept';
  clock.advance(60);
  mailer.wake();
  await mailbox.next(to);
  expect(await office.eventually(to, ({ is_sent }) => is_sent)).toMatchObject({ attempts: 3 });
});

test('a server that hangs up in the middle gets the mail again, once', async () => {
  mailbox.mode = 'drop';
  const to = await office.owe(mailer);
  mailer.wake();
  await office.eventually(to, ({ failures }) => failures === 1);
  mailbox.mode = 'accept';
  clock.advance(15);
  mailer.wake();
  await mailbox.next(to);
  await office.eventually(to, ({ is_sent }) => is_sent);
  expect(mailbox.unread(to)).toBe(0);
});

test('a server that is away and comes back gets what was owed meanwhile', async () => {
  const away = await openMailbox();
  const { port } = away;
  await away.close();
  const own = office.mailer(port);
  const to = await office.owe(own);
  own.wake();
  const failed = await office.eventually(to, ({ failures }) => failures === 1);
  expect(failed).toMatchObject({ is_sent: false, is_given_up: false });
  expect(failed.last_error).toMatch(/^E[A-Z]+$/);

  const back = await openMailbox(port);
  try {
    clock.advance(15);
    own.wake();
    await back.next(to);
  } finally {
    await own.close();
    await back.close();
  }
});

test('a mailbox that does not exist is given up at once, with what the mail said, and no address in log or audit', async () => {
  mailbox.mode = 'refuse';
  const to = await office.owe(mailer);
  mailer.wake();
  const row = await office.eventually(to, ({ is_given_up }) => is_given_up);
  mailbox.mode = 'accept';
  expect(row).toMatchObject({ attempts: 1, last_error: 'EENVELOPE 550', subject: '', body_text: '', body_html: '' });
  const events = (await office.events()).filter(({ details }) => details.mail === row.id);
  expect(events).toEqual([
    {
      action: 'mail_failed',
      outcome: 'failure',
      reason: 'EENVELOPE 550',
      details: { mail: row.id, kind: 'confirmation', attempts: 1, given_up: true },
    },
  ]);
  expect(log.written()).not.toContain(to);
  expect(JSON.stringify(events)).not.toContain(to);

  clock.advance(90_000);
  mailer.wake();
  const after = await office.owe(mailer);
  mailer.wake();
  await mailbox.next(after);
  expect(mailbox.unread(to)).toBe(0);
});

test('a mail whose sender is gone is sent by another once the lease is over, and not before', async () => {
  const to = address();
  await inTransaction(database.db, async (tx) => {
    await mailer.enqueue(tx, exampleMail('confirmation', { to }), clock.now());
    // As a process leaves it that took the mail and was killed.
    await tx.$client.query(
      `update gatehouse.mail_outbox set attempts = 1, next_attempt_at = $2::timestamptz + interval '10 minutes' where recipient = $1`,
      [to, clock.now().toISOString()],
    );
  });
  clock.advance(599);
  const other = await office.owe(mailer);
  mailer.wake();
  await mailbox.next(other);
  expect(mailbox.unread(to)).toBe(0);

  clock.advance(1);
  mailer.wake();
  await mailbox.next(to);
  expect(await office.eventually(to, ({ is_sent }) => is_sent)).toMatchObject({ attempts: 2 });
});

test('a sender that was given up on cannot say what became of the mail: another has it', async () => {
  mailbox.mode = 'slow';
  const to = await office.owe(mailer);
  mailer.wake();
  const { id } = await office.eventually(to, ({ attempts }) => attempts === 1);
  // Its lease ran out, and somebody else has taken the mail.
  await database.pool.query('update gatehouse.mail_outbox set attempts = 2 where id = $1', [id]);
  mailbox.mode = 'accept';
  await mailbox.next(to);
  const other = await office.owe(mailer);
  mailer.wake();
  await mailbox.next(other);
  expect(await office.rows(to)).toMatchObject([{ attempts: 2, is_sent: false }]);
  await database.pool.query('delete from gatehouse.mail_outbox where id = $1', [id]);
});

test('a mailer that is closed sends nothing more and leaves it to others', async () => {
  const closed = office.mailer(mailbox.port);
  await closed.close();
  const to = await office.owe(closed);
  closed.wake();
  mailer.wake();
  await mailbox.next(to);
});

test('a mail that cannot be on record is not forgotten', async () => {
  await database.pool.query(`alter table audit.events add constraint no_mail check (action <> 'mail_sent') not valid`);
  const own = office.mailer(mailbox.port);
  const to = await office.owe(own);
  own.wake();
  await mailbox.next(to);
  expect(await office.rows(to)).toMatchObject([{ is_sent: false, attempts: 1 }]);
  await database.pool.query('alter table audit.events drop constraint no_mail');
  await office.eventually(to, ({ is_sent }) => is_sent);
  expect(mailbox.unread(to)).toBe(0);
});
