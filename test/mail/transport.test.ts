import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Mailer } from '../../src/mail/mailer.ts';
import { LINK, openPostOffice } from './outbox.ts';

const office = await openPostOffice();

interface Seen {
  secure: boolean;
  user: string | undefined;
}

const servers: SMTPServer[] = [];
const mailers: Mailer[] = [];
afterEach(async () => {
  // First those who keep connections open.
  await Promise.all(mailers.splice(0).map((mailer) => mailer.close()));
  for (const server of servers.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()));
});

function mailerOf(...args: Parameters<typeof office.mailer>): Mailer {
  const mailer = office.mailer(...args);
  mailers.push(mailer);
  return mailer;
}

/** A mail server with smtp-server's own certificate, which no authority signed. */
async function openServer(options: SMTPServerOptions = {}): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    // It would warn of its certificate.
    logger: false,
    onAuth({ username, password }, _session, answer) {
      if (username === 'portal' && password === 'its password') answer(null, { user: username });
      else answer(new Error('no such account: portal'));
    },
    onData(stream, session, answer) {
      seen.push({ secure: session.secure, user: session.user ? String(session.user) : undefined });
      stream.resume().on('end', () => answer());
    },
    ...options,
  });
  server.on('error', () => {});
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return { port: (server.server.address() as { port: number }).port, seen };
}

/** An address of this machine that is not a loopback: to a mailer, some other machine. */
const elsewhere = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

describe('to a mail server that is not on this machine', () => {
  // 0.0.0.0 leads to this machine and does not say so.
  const smtp_host = elsewhere ?? '0.0.0.0';

  test('nothing is sent in clear: one without TLS gets no mail', async () => {
    const { port, seen } = await openServer({ disabledCommands: ['STARTTLS'] });
    const mailer = mailerOf(port, { smtp_host });
    const to = await office.owe(mailer);
    mailer.wake();
    const row = await office.eventually(to, ({ failures }) => failures === 1);
    expect(row).toMatchObject({ is_sent: false, is_given_up: false });
    expect(seen).toEqual([]);
  });

  test('one whose certificate nobody vouches for gets no mail', async () => {
    const { port, seen } = await openServer();
    const mailer = mailerOf(port, { smtp_host });
    const to = await office.owe(mailer);
    mailer.wake();
    const row = await office.eventually(to, ({ failures }) => failures === 1);
    expect(row).toMatchObject({ is_sent: false, is_given_up: false });
    expect(seen).toEqual([]);
  });
});

test('a relay on this machine gets the mail, encrypted where it offers that', async () => {
  const { port, seen } = await openServer();
  const mailer = mailerOf(port);
  const to = await office.owe(mailer);
  mailer.wake();
  await office.eventually(to, ({ is_sent }) => is_sent);
  expect(seen).toEqual([{ secure: true, user: undefined }]);
});

test('an account signs in there; a wrong password is tried again later, and is nowhere to be read', async () => {
  const { port, seen } = await openServer({ authOptional: false });
  const good = mailerOf(port, { smtp_user: 'portal' }, 'its password');
  const to = await office.owe(good);
  good.wake();
  await office.eventually(to, ({ is_sent }) => is_sent);
  expect(seen).toEqual([{ secure: true, user: 'portal' }]);

  const bad = mailerOf(port, { smtp_user: 'portal' }, 'another password');
  const other = await office.owe(bad);
  bad.wake();
  const row = await office.eventually(other, ({ failures }) => failures === 1);
  expect(row).toMatchObject({ is_sent: false, is_given_up: false, last_error: 'EAUTH 535' });
  const said = office.log.written() + JSON.stringify(await office.events());
  expect(said).not.toContain('password');
  expect(said).not.toContain('no such account');
});

test('nobody’s name or address makes a second recipient or header', async () => {
  const headers: string[] = [];
  const rcpt: string[] = [];
  const { port } = await openServer({
    onData(stream, { envelope }, answer) {
      rcpt.push(...envelope.rcptTo.map(({ address }) => address));
      let raw = '';
      stream.on('data', (chunk) => {
        raw += chunk;
      });
      stream.on('end', () => {
        headers.push(raw.slice(0, raw.indexOf('\r\n\r\n')));
        answer();
      });
    },
  });
  const mailer = mailerOf(port, {
    smtp_sender_name: 'Portal\r\nBcc: eve@example.com',
    mailer_subjects_confirmation: 'For {{ .Data.full_name }}',
  });
  const variables = {
    SiteURL: '',
    ConfirmationURL: LINK,
    Email: '',
    SendingTo: '',
    Token: '',
    TokenHash: '',
    Data: { full_name: 'Ann\r\nBcc: eve@example.com\r\n\r\nHello' },
    RedirectTo: '',
  };
  const to = await office.owe(mailer, { variables });
  mailer.wake();
  await office.eventually(to, ({ is_sent }) => is_sent);
  expect(rcpt).toEqual([to]);
  expect(headers[0]?.split('\r\n').filter((line) => /^bcc/i.test(line))).toEqual([]);
});

describe('without a mail server', () => {
  const directories: string[] = [];
  afterAll(async () => {
    for (const directory of directories) await rm(directory, { recursive: true });
  });

  test('mails are files that a person can read, and nobody else', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'gatehouse-mail-'));
    directories.push(parent);
    const mailbox = join(parent, 'mail');
    const mailer = mailerOf(undefined, { mailbox });
    const to = await office.owe(mailer);
    mailer.wake();
    await office.eventually(to, ({ is_sent }) => is_sent);

    const files = (await readdir(mailbox)).sort();
    expect(files).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d-]+Z-confirmation-[0-9a-f]{12}\.html$/),
      expect.stringMatching(/\.txt$/),
    ]);
    const [html = '', text = ''] = await Promise.all(files.map((file) => readFile(join(mailbox, file), 'utf8')));
    expect(text).toContain(`To: ${to}\nSubject: Confirm your email address\n`);
    expect(text).toContain(`\n${LINK}\n`);
    expect(html).toContain('Confirm email address</a>');
    expect((await stat(mailbox)).mode & 0o777).toBe(0o700);
    for (const file of files) expect((await stat(join(mailbox, file))).mode & 0o777).toBe(0o600);
  });

  test('a directory that cannot be written is tried again', async () => {
    const mailer = mailerOf(undefined, { mailbox: '/dev/null/mail' });
    const to = await office.owe(mailer);
    mailer.wake();
    const row = await office.eventually(to, ({ failures }) => failures === 1);
    expect(row).toMatchObject({ last_error: 'ENOTDIR', is_given_up: false });
  });
});
