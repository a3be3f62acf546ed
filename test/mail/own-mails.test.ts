/** Mails in an operator's words, from a sign-up to the mail server: nobody who signs up writes anything into them but text. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { startApp } from '../harness/app.ts';
import { bearer, serviceKey } from '../harness/people.ts';
import { endPrograms, freePort, startService } from '../harness/program.ts';

vi.setConfig({ testTimeout: 60_000 });

const directory = await mkdtemp(join(tmpdir(), 'gatehouse-own-mails-'));
const file = join(directory, 'confirmation.html');
await writeFile(
  file,
  `<p>{{ with .Data.name }}Hello {{ . }}{{ else }}Hello{{ end }}, <b title="{{ .Data.name }}">welcome</b>.</p>
<p><a href="{{ .ConfirmationURL }}">Confirm {{ .Email }}</a> <a href="{{ .Data.homepage }}">Your page</a></p>`,
);
const app = await startApp({
  env: {
    GATEHOUSE_MAILER_TEMPLATES_CONFIRMATION: `file:${file}`,
    GATEHOUSE_MAILER_SUBJECTS_CONFIRMATION: 'Welcome{{ with .Data.name }}, {{ . }}{{ end }}',
    GATEHOUSE_MAILER_SUBJECTS_INVITE: 'Come in, {{ .Data.name }}',
  },
});
const { request, mailbox } = app;
afterAll(async () => {
  await app.close();
  await rm(directory, { recursive: true });
});
afterEach(endPrograms);

/** The confirmation that somebody gets who signs up with this. */
async function confirmation(data: Record<string, unknown>) {
  const email = `${crypto.randomUUID()}@example.com`;
  await request.post('/signup').send({ email, password: 'correct horse battery', data }).expect(200);
  return { email, mail: await mailbox.next(email) };
}

it('says what the template says, and its link confirms', async () => {
  const { email, mail } = await confirmation({ name: 'Ann', homepage: 'https://ann.example.com/?a=1&b=2' });
  const [link = '', page] = mail.links;
  expect(mail.subject).toBe('Welcome, Ann');
  expect(mail.html).toContain('<p>Hello Ann, <b title="Ann">welcome</b>.</p>');
  expect(mail.text).toBe(`Hello Ann, welcome.\n\nConfirm ${email}: ${link} Your page: ${page}\n`);
  expect(page).toBe('https://ann.example.com/?a=1&b=2');
  const { pathname, search } = new URL(link);
  expect((await request.get(pathname + search).expect(303)).headers.location).toContain('access_token=');
});

it('says it to somebody without a name', async () => {
  const { mail } = await confirmation({});
  expect([mail.subject, mail.html?.split('\n')[0]]).toEqual(['Welcome', '<p>Hello, <b title="">welcome</b>.</p>']);
});

it('an invitation says nothing that a stranger wrote who signed up before for another audience', async () => {
  const email = `${crypto.randomUUID()}@example.com`;
  const stranger = { email, password: 'correct horse battery', data: { name: 'Eve' } };
  await request.post('/signup').set('X-JWT-AUD', 'partners').send(stranger).expect(200);
  await mailbox.next(email);
  const invited = { email, data: { name: 'Ann' } };
  await request
    .post('/invite')
    .set(bearer(serviceKey(app)))
    .send(invited)
    .expect(200);
  expect((await mailbox.next(email)).subject).toBe('Come in, Ann');
});

// Header injection, template injection and markup, by whoever signs up with somebody else's address.
it.each([
  ['a header', 'Ann\r\nBcc: eve@example.com\r\nX-Evil: 1\r\n\r\n<p>body</p>'],
  ['a line', 'Ann\nBcc: eve@example.com\u2028\u0085x'],
  ['a template', '{{ .TokenHash }}{{ .Token }}{{ if }}'],
  ['markup', `"><script>alert(1)</script><img src=x onerror=alert(1)>`],
  ['an encoded word', '=?utf-8?B?QmNjOiBldmVAZXhhbXBsZS5jb20=?='],
  ['what turns text around', 'Ann \u202egnp.exe'],
])('a name that is %s is a name', async (_what, name) => {
  const { email, mail } = await confirmation({ name, homepage: `javascript:alert(document.domain)` });
  expect(mail.to).toBe(email);
  expect([...mail.headers.keys()]).not.toEqual(expect.arrayContaining(['bcc']));
  expect(mail.headers.has('x-evil')).toBe(false);
  expect(mail.subject).not.toMatch(/[\r\n\u0085\u2028\u202e]/);
  expect(mail.subject?.startsWith('Welcome, ')).toBe(true);
  expect(mail.html).not.toMatch(/<script|<img/);
  expect(mail.html?.match(/<\w+/g)).toEqual(['<p', '<b', '<p', '<a', '<a']);
  expect(mail.html).toContain('<a href="#">Your page</a>');
  expect(mail.links).toHaveLength(1);
  // The secret of the link is in the link, and nowhere else.
  const hash = new URL(mail.links[0] ?? '').searchParams.get('token') ?? '-';
  expect(mail.html?.split(hash)).toHaveLength(2);
  expect(mailbox.unread()).toBe(0);
});

it('a start with a template that has a mistake is refused with its line: 2', async () => {
  const broken = join(directory, 'broken.html');
  await writeFile(broken, '<p>\n<script>{{ .Token }}</script>');
  const service = startService({
    DATABASE_URL: app.database.url,
    SECRET_KEY: 'a secret of this file, and of nobody else',
    PORT: String(await freePort()),
    GATEHOUSE_MAILER_TEMPLATES_RECOVERY: `file:${broken}`,
  });
  expect(await service.ended).toEqual({ code: 2, signal: null });
  expect(service.stderr()).toBe(
    `MAILER_TEMPLATES_RECOVERY cannot be used: ${broken} line 2: a value cannot stand inside <script>.\n`,
  );
});
