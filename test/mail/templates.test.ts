/** Where an operator's templates come from, how long they are believed, and what happens when they cannot be had. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, test } from 'vitest';
import { ConfigMistakes, readConfig } from '../../src/config.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createMailer } from '../../src/mail/mailer.ts';
import { openTemplates, TemplateUnusable } from '../../src/mail/templates.ts';
import { failureOf } from '../../src/service/start-failure.ts';
import { createClock } from '../harness/clock.ts';
import { freshDatabase } from '../harness/postgres.ts';
import { memoryLog } from '../http/small-app.ts';
import { exampleMail } from './outbox.ts';

const database = await freshDatabase();
const directory = await mkdtemp(join(tmpdir(), 'gatehouse-templates-'));
/** What the portal answers, and what it was asked. */
let answer: RequestListener;
const asked: string[] = [];
const portal = createServer((req, res) => {
  asked.push(req.url ?? '');
  answer(req, res);
});
await new Promise<void>((resolve) => portal.listen(0, '127.0.0.1', resolve));
const site = `http://127.0.0.1:${(portal.address() as AddressInfo).port}`;
afterAll(async () => {
  portal.closeAllConnections();
  portal.close();
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

const saying =
  (html: string): RequestListener =>
  (_req, res) =>
    void res.end(html);
const failing: RequestListener = (_req, res) => void res.writeHead(500).end('no');

let clock: ReturnType<typeof createClock>;
let log: ReturnType<typeof memoryLog>;
beforeEach(async () => {
  clock = createClock();
  log = memoryLog();
  asked.length = 0;
  await database.pool.query(`delete from gatehouse.mail_outbox`);
});

function open(env: Record<string, string>) {
  const { settings } = readConfig(
    { GATEHOUSE_SITE_URL: site, GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '1000000', ...env },
    'command',
  );
  return openTemplates({ settings, db: database.db, log: log.log, clock: clock.now });
}

/** What the confirmation of somebody with this name is made with; ours where that is undefined. */
async function confirmation(templates: Awaited<ReturnType<typeof open>>, Data: Record<string, unknown> = {}) {
  return templates.of('confirmation')?.({ ...exampleMail('confirmation').variables, Data });
}

/** Asks as mails do until the answer is that one: it is loaded beside them. */
async function eventually(templates: Awaited<ReturnType<typeof open>>, expected: string | undefined): Promise<void> {
  const end = Date.now() + 10_000;
  while ((await confirmation(templates)) !== expected) {
    if (Date.now() > end) throw new Error(`it is ${await confirmation(templates)}`);
    await new Promise(setImmediate);
  }
}

async function failures() {
  const { rows } = await database.pool.query(
    `select outcome, reason, details from audit.events where action = 'mail_template_failed' and occurred_at >= $1 order by id`,
    [clock.now()],
  );
  return rows;
}

describe('comes from', () => {
  it('a web address', async () => {
    answer = saying('<p>{{ .Token }}</p>');
    const templates = await open({ GOTRUE_MAILER_TEMPLATES_CONFIRMATION: `${site}/mail/confirmation.html?v=1` });
    expect(await confirmation(templates)).toBe('<p>482913</p>');
    expect(templates.of('recovery')).toBeUndefined();
    expect(asked).toEqual(['/mail/confirmation.html?v=1']);
  });

  it.each([
    ['', '/mail/x.html'],
    ['/', 'mail/x.html'],
  ])('a path below SITE_URL, as in GoTrue: %j and %j', async (end, path) => {
    answer = saying('ok');
    await open({ GATEHOUSE_SITE_URL: `${site}/portal${end}`, GOTRUE_MAILER_TEMPLATES_CONFIRMATION: path });
    expect(asked).toEqual(['/portal/mail/x.html']);
  });

  it('a file, which is looked at again', async () => {
    const file = join(directory, 'confirmation.html');
    await writeFile(file, '\ufeffone {{ .Data.name }}');
    const templates = await open({ GATEHOUSE_MAILER_TEMPLATES_CONFIRMATION: `file:${file}` });
    expect(await confirmation(templates, { name: '<Ann>' })).toBe('one &lt;Ann&gt;');
    await writeFile(file, 'two');
    clock.advance(599);
    expect(await confirmation(templates)).toBe('one ');
    clock.advance(1);
    await eventually(templates, 'two');
    expect(asked).toEqual([]);
  });

  it('a file by its URL', async () => {
    await writeFile(join(directory, 'a b.html'), 'ok');
    const templates = await open({ GATEHOUSE_MAILER_TEMPLATES_CONFIRMATION: `file://${directory}/a b.html` });
    expect(await confirmation(templates)).toBe('ok');
  });
});

test('a template is asked for once, and again when it has grown old', async () => {
  answer = saying('one');
  const templates = await open({
    GOTRUE_MAILER_TEMPLATES_CONFIRMATION: `${site}/x`,
    GOTRUE_MAILER_TEMPLATE_MAX_AGE: '1h',
  });
  for (let mails = 0; mails < 100; mails += 1) expect(await confirmation(templates)).toBe('one');
  clock.advance(3599);
  await confirmation(templates);
  expect(asked).toHaveLength(1);

  answer = saying('two');
  clock.advance(1);
  for (let mails = 0; mails < 100; mails += 1) await confirmation(templates);
  await eventually(templates, 'two');
  expect(asked).toHaveLength(2);
});

describe('ours stands in, with a line in the log and in the audit log', () => {
  test.each([
    ['answers 500.', failing],
    ['answers 302, and a redirect is not followed.', (_req, res) => void res.writeHead(302, { Location: '/y' }).end()],
    ['is larger than 1000 bytes.', saying('x'.repeat(1001))],
    ['is not UTF-8.', (_req, res) => void res.end(Buffer.from([0xff, 0xfe, 0x80]))],
    [
      'line 2: "range" is not supported: there are if, else, with, end, eq, ne, not, and, or, index, len.',
      saying('\n{{ range .Data }}'),
    ],
    ['cannot be reached (UND_ERR_SOCKET).', (req) => void req.socket.destroy()],
    [
      'cannot be reached (UND_ERR_SOCKET).',
      (_req, res) => void res.writeHead(200, { 'Content-Length': 9 }).write('x', () => res.destroy()),
    ],
  ] as [string, RequestListener][])('because the address %s', async (reason, listener) => {
    answer = listener;
    const templates = await open({
      GOTRUE_MAILER_TEMPLATES_CONFIRMATION: '/secret/x.html',
      GOTRUE_MAILER_TEMPLATE_MAX_SIZE: '1000',
    });
    expect(await confirmation(templates)).toBeUndefined();
    expect(asked).toEqual(['/secret/x.html']);
    expect(log.lines()).toEqual([
      expect.objectContaining({ setting: 'MAILER_TEMPLATES_CONFIRMATION', reason, instead: 'ours' }),
    ]);
    expect(await failures()).toEqual([
      { outcome: 'failure', reason, details: { kind: 'confirmation', instead: 'ours' } },
    ]);
  });

  it('until it can be had; the reason is told once', async () => {
    answer = failing;
    const templates = await open({ GOTRUE_MAILER_TEMPLATES_CONFIRMATION: '/x' });
    clock.advance(9);
    await confirmation(templates);
    expect(asked).toHaveLength(1);
    for (let attempt = 2; attempt <= 4; attempt += 1) {
      clock.advance(10);
      while (asked.length < attempt) {
        await confirmation(templates);
        await new Promise(setImmediate);
      }
      await new Promise(setImmediate);
    }
    answer = saying('there');
    clock.advance(10);
    while ((await confirmation(templates)) === undefined) {
      clock.advance(10);
      await new Promise(setImmediate);
    }
    expect(log.lines().map(({ msg }) => msg)).toEqual([
      'a mail template cannot be used',
      'a mail template can be used again',
    ]);
  });
});

test('the last good one stands while the address fails', async () => {
  answer = saying('good');
  const templates = await open({ GOTRUE_MAILER_TEMPLATES_CONFIRMATION: '/x' });
  answer = saying('{{ bad }}');
  clock.advance(600);
  await confirmation(templates);
  const end = Date.now() + 10_000;
  while ((await failures()).length === 0 && Date.now() < end) await confirmation(templates);
  expect(await failures()).toMatchObject([{ details: { instead: 'the last good one' } }]);
  expect(await confirmation(templates)).toBe('good');
});

describe('refuses the start', () => {
  test.each([
    [
      '<p>\n{{ range .Data }}',
      /^MAILER_TEMPLATES_CONFIRMATION cannot be used: \S+x.html line 2: "range" is not supported/,
    ],
    ['<script>{{ .Token }}</script>', /line 1: a value cannot stand inside <script>\.$/],
  ])('a file with a mistake: %j', async (html, sentence) => {
    const file = join(directory, 'x.html');
    await writeFile(file, html);
    const opening = open({ GATEHOUSE_MAILER_TEMPLATES_CONFIRMATION: `file:${file}` });
    await expect(opening).rejects.toThrow(sentence);
    expect(failureOf(await opening.catch((error) => error))).toMatchObject({ kind: 'settings' });
  });

  it('a file that is not there', async () => {
    await expect(open({ GATEHOUSE_MAILER_TEMPLATES_INVITE: 'file:/no/such.html' })).rejects.toThrow(
      'MAILER_TEMPLATES_INVITE cannot be used: /no/such.html cannot be read (ENOENT).',
    );
  });

  it('a path below a SITE_URL that is an app', async () => {
    const env = { GATEHOUSE_SITE_URL: 'com.example.app://', GATEHOUSE_MAILER_TEMPLATES_INVITE: '/x.html' };
    await expect(open(env)).rejects.toThrow(TemplateUnusable);
  });

  it.each(['ftp://x.example/y', 'https://ann:secret@x.example/y', 'javascript:x', 'file:', 'file://host/x', 'http://'])(
    '%s, which is neither an address nor a file',
    (value) => {
      const read = () => readConfig({ GATEHOUSE_MAILER_TEMPLATES_INVITE: value }, 'command');
      expect(read).toThrow(ConfigMistakes);
      expect(read).toThrow(/must be a web address without user/);
    },
  );
});

test('a mail is what the template makes of it, as HTML and as text, and its subject is a line', async () => {
  answer = saying(
    '<html><style>p { margin: 0 }</style><p>{{ if .Data.name }}Hello {{ .Data.name }}{{ end }}</p><a href="{{ .ConfirmationURL }}">Confirm</a></html>',
  );
  const env = {
    GATEHOUSE_SITE_URL: site,
    GOTRUE_MAILER_TEMPLATES_CONFIRMATION: '/x',
    GOTRUE_MAILER_SUBJECTS_CONFIRMATION: 'For {{ .Data.name }}',
  };
  const { settings } = readConfig(env, 'command');
  const templates = await open(env);
  const parts = { settings, secrets: { smtp_pass: undefined }, db: database.db, log: log.log, clock: clock.now };
  const mailer = createMailer({ ...parts, templates });
  const mail = exampleMail('confirmation');
  // Header injection and a template in a value, by whoever chose the name.
  const name = 'Ann\r\nBcc: eve@example.com\r\n\r\n<img src=x>{{ .TokenHash }}';
  const variables = { ...mail.variables, Data: { name } };
  await inTransaction(database.db, (tx) => mailer.enqueue(tx, { ...mail, variables }, clock.now()));
  await mailer.close();

  const { rows } = await database.pool.query('select subject, body_html, body_text from gatehouse.mail_outbox');
  expect(rows).toEqual([
    {
      subject: 'For Ann Bcc: eve@example.com <img src=x>{{ .TokenHash }}',
      body_html: expect.stringContaining(
        'Hello Ann\r\nBcc: eve@example.com\r\n\r\n&lt;img src=x&gt;{{ .TokenHash }}</p>',
      ),
      body_text:
        'Hello Ann Bcc: eve@example.com <img src=x>{{ .TokenHash }}\n\nConfirm: https://auth.example.com/verify?token=t&type=signup&redirect_to=https://portal.example.com\n',
    },
  ]);
});
