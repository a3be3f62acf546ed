import { connect } from 'node:net';
import { createTransport } from 'nodemailer';
import { afterEach, expect, test } from 'vitest';
import { type Mailbox, openMailbox } from './mailbox.ts';

let mailbox: Mailbox;
afterEach(() => mailbox.close());

async function send(
  to: string,
  html = '<p>Follow <a href="http://gate.example/verify?token=abc&amp;type=signup">this</a></p> 123456',
) {
  const transport = createTransport({ host: '127.0.0.1', port: mailbox.port, ignoreTLS: true });
  try {
    await transport.sendMail({ from: 'Portal <auth@portal.example>', to, subject: 'Bestätigen Sie', html });
  } finally {
    transport.close();
  }
}

test('a mail is read once, by the address it went to, with its links and its code', async () => {
  mailbox = await openMailbox();
  await send('ann@example.com');
  await send('bob@example.com', '<p>without anything</p>');

  expect(await mailbox.next('Ann@Example.com')).toMatchObject({
    from: '"Portal" <auth@portal.example>',
    subject: 'Bestätigen Sie',
    links: ['http://gate.example/verify?token=abc&type=signup'],
    otp: '123456',
  });
  expect(await mailbox.next('bob@example.com')).toMatchObject({ links: [], otp: undefined });
  expect(mailbox.unread()).toBe(0);
});

test('a mail that is still under way is waited for', async () => {
  mailbox = await openMailbox();
  const next = mailbox.next('ann@example.com');
  await send('ann@example.com');
  expect((await next).subject).toBe('Bestätigen Sie');
});

test.each([
  ['refuse', 'EENVELOPE', 550],
  ['busy', 'EENVELOPE', 451],
] as const)('a server that would %s says so of the recipient', async (mode, code, responseCode) => {
  mailbox = await openMailbox();
  mailbox.mode = mode;
  await expect(send('ann@example.com')).rejects.toMatchObject({ code, responseCode });
  expect(mailbox.unread()).toBe(0);
});

test('a server that hangs up has not taken the mail', async () => {
  mailbox = await openMailbox();
  mailbox.mode = 'drop';
  await expect(send('ann@example.com')).rejects.toThrow();
  expect(mailbox.unread()).toBe(0);
});

test('of a client that hangs up in the middle there is no mail', async () => {
  mailbox = await openMailbox();
  const lines = ['EHLO x', 'MAIL FROM:<x@example.com>', 'RCPT TO:<ann@example.com>', 'DATA'].values();
  const client = connect(mailbox.port, '127.0.0.1');
  // One line per answer; after the last one the loop's end hangs up.
  for await (const answer of client) {
    if (String(answer).startsWith('354 ')) break;
    client.write(`${lines.next().value}\r\n`);
  }
  await send('ann@example.com');
  expect((await mailbox.next('ann@example.com')).subject).toBe('Bestätigen Sie');
});

test('a slow server takes the mail once it is let', async () => {
  mailbox = await openMailbox();
  mailbox.mode = 'slow';
  const sent = send('ann@example.com');
  await expect.poll(() => mailbox.held).toBe(1);
  expect(mailbox.unread()).toBe(0);
  mailbox.mode = 'accept';
  await sent;
  expect(mailbox.unread('ann@example.com')).toBe(1);
});
