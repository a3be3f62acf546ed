import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { confirmationUrl } from '../../src/mail/confirmation-url.ts';
import { letterOf } from '../../src/mail/letter.ts';
import type { Mail, MailKind } from '../../src/mail/mail.ts';
import { htmlPage, plainText } from '../../src/mail/page.ts';
import { mistakeInSubject, subjectOf } from '../../src/mail/subject.ts';
import { exampleMail, LINK } from './outbox.ts';

const kinds: MailKind[] = ['confirmation', 'recovery', 'magic_link', 'invite', 'email_change', 'reauthentication'];
const lives = { portal: 'Portal', link_life_seconds: 86_400, code_life_seconds: 3600 };

function written(mail: Mail, portal = 'Portal') {
  const letter = letterOf(mail, { ...lives, portal });
  return { html: htmlPage(letter, portal), text: plainText(letter, portal) };
}

const shown = (html: string) => html.replace(/<style>[\s\S]*<\/style>|<[^>]*>/g, ' ').replace(/https?:\S+/g, ' ');

describe.each(kinds)('a mail of the kind %s', (kind) => {
  const mail = exampleMail(kind);
  const { html, text } = written(mail);

  test('has GoTrue’s subject', () => {
    const subjects: Record<MailKind, string> = {
      confirmation: 'Confirm your email address',
      recovery: 'Reset your password',
      magic_link: 'Your sign-in link',
      invite: "You've been invited",
      email_change: 'Confirm your new email address',
      reauthentication: '482913 is your verification code',
    };
    expect(subjectOf(kind, undefined, mail.variables)).toBe(subjects[kind]);
  });

  test('leads to one address and nowhere else, and fetches nothing', () => {
    const links = [...html.matchAll(/https?:\/\/[^\s"'<>]+/g)].map(([link]) => link.replaceAll('&amp;', '&'));
    expect(new Set(links)).toEqual(new Set(kind === 'reauthentication' ? [] : [LINK]));
    expect(html).not.toMatch(/<(?:img|script|link|iframe|object|form)\b|url\(|@import/i);
  });

  test('says the same as text, with the address or the code on a line of its own', () => {
    expect(text.split('\n').map((line) => line.trim())).toContain(kind === 'reauthentication' ? '482913' : LINK);
    const letter = letterOf(mail, lives);
    for (const part of [letter.heading, ...letter.paragraphs, ...letter.notes]) {
      expect(text).toContain(part);
      expect(html).toContain(part.replaceAll("'", '&#39;'));
    }
  });

  test('has digits to type only where they are asked for', () => {
    expect(/(?<![\w\d/#-])\d{6}(?![\w\d-])/.test(shown(html))).toBe(kind === 'reauthentication');
  });

  test('keeps every value out of the markup', () => {
    const evil = `"><script>alert('x')</script>&amp;`;
    const { variables } = mail;
    const attacked = written(
      {
        ...mail,
        to: evil,
        variables: {
          ...variables,
          Email: evil,
          SendingTo: evil,
          Token: evil,
          NewEmail: evil,
          ...(variables.ConfirmationURL && { ConfirmationURL: `${LINK}${evil}` }),
        },
      },
      evil,
    );
    expect(attacked.html).not.toContain('<script');
    expect(attacked.html).not.toContain(`"><`.concat('script'));
    expect(attacked.html).toContain('&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;');
  });

  test('does not lose its shape in a mail reader that knows no styles of a page', () => {
    expect(html).toMatch(/^<!doctype html>\n<html lang="en"/);
    for (const tag of ['table', 'tr', 'td', 'p', 'a', 'h1', 'div']) {
      const opened = html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
      expect(html.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0).toBe(opened);
    }
  });
});

test('how long a link works is said in the unit that people count it in', () => {
  const life = (link_life_seconds: number) =>
    letterOf(exampleMail('confirmation'), { ...lives, link_life_seconds }).notes[0];
  expect([life(86_400), life(3600), life(5400), life(172_800), life(90)]).toEqual(
    ['24 hours', '1 hour', '90 minutes', '2 days', '90 seconds'].map(
      (time) => `The link works once and expires after ${time}.`,
    ),
  );
});

test('whoever is about to lose an address is told so, and not what the new one is told', () => {
  const old = letterOf(exampleMail('email_change', { to: 'ann@example.com' }), lives);
  const next = letterOf(exampleMail('email_change', { to: 'ann.new@example.com' }), lives);
  expect(old.paragraphs[0]).toContain('from ann@example.com to ann.new@example.com');
  expect(old.notes.join(' ')).toContain('change your password');
  expect(next.notes.join(' ')).not.toContain('change your password');
});

describe('subjects of an operator’s own', () => {
  const { variables } = exampleMail('confirmation', { to: 'ann@example.com' });
  const subject = (template: string, Data: Record<string, unknown> = {}) =>
    subjectOf('confirmation', template, { ...variables, Data });

  test.each([
    ['{{ .Token }} for {{.Email}}', '482913 for ann@example.com'],
    ['Hello {{ .Data.full_name }}!', 'Hello Ann!'],
    ['Hello {{- .Data.full_name -}} !', 'HelloAnn!'],
    ['{{ .Data.nested.deep }} {{ .Data.list }} {{ .NoSuch }}.', '1  .'],
    ['{{ .Data.constructor }}{{ .Data.__proto__ }}{{ .constructor }}', ''],
    ['no fields', 'no fields'],
    ['{{ if .Data.full_name }}Hello {{ .Data.full_name }}{{ else }}Hello{{ end }}', 'Hello Ann'],
    ['{{ if eq .Data.lang "fr" }}Bonjour{{ else }}Hello{{ end }}', 'Hello'],
    ['<b> & "quotes" are no HTML here', '<b> & "quotes" are no HTML here'],
  ])('%s', (template, expected) => {
    expect(subject(template, { full_name: 'Ann', nested: { deep: 1 }, list: [1] })).toBe(expected);
  });

  test.each(['{{ if .Token }}x', '{{ .Token | upper }}', '{{ printf "%s" .Token }}', '{{ .Token'])(
    '%s needs more of Go than there is: ours stands',
    (template) => {
      expect(mistakeInSubject(template)).toMatch(/^line 1: /);
      expect(subject(template)).toBe('Confirm your email address');
    },
  );

  test('show what is between braces in a value as it is: a value is no template', () => {
    expect(subject('For {{ .Data.name }}', { name: '{{ .Token }}{{ .TokenHash }}' })).toBe(
      'For {{ .Token }}{{ .TokenHash }}',
    );
  });

  test('stay on one line and within bounds, whatever the values are', () => {
    expect(subject('For {{ .Data.name }}', { name: 'a\r\nBcc: eve@example.com\u2028b\0' })).toBe(
      'For a Bcc: eve@example.com b',
    );
    expect(subject('{{ .Data.name }}', { name: 'x'.repeat(1000) })).toHaveLength(200);
  });
});

describe('the link', () => {
  const url = (env: Record<string, string>, redirect_to = 'https://portal.example.com') =>
    confirmationUrl(readConfig({ ...env }, 'command').settings, {
      kind: 'confirmation',
      type: 'signup',
      token_hash: 'abc',
      redirect_to,
    });
  const rest = '?token=abc&type=signup&redirect_to=https://portal.example.com';

  test.each([
    [{ API_EXTERNAL_URL: 'https://auth.example.com' }, 'https://auth.example.com/verify'],
    [{ API_EXTERNAL_URL: 'https://example.com/auth/v1' }, 'https://example.com/auth/v1/verify'],
    [
      { API_EXTERNAL_URL: 'https://example.com/x', GOTRUE_MAILER_URLPATHS_CONFIRMATION: '/auth/v1/verify' },
      'https://example.com/auth/v1/verify',
    ],
    [{}, 'http://127.0.0.1:9999/verify'],
    [{ GATEHOUSE_API_HOST: '0.0.0.0', PORT: '8080' }, 'http://127.0.0.1:8080/verify'],
    [{ GATEHOUSE_API_HOST: '::1' }, 'http://[::1]:9999/verify'],
  ])('with %j begins with %s', (env, expected) => {
    expect(url(env)).toBe(expected + rest);
  });

  test.each([
    'http://localhost:3000/x?a=1&b=2#part',
    'http://localhost:3000/x#part',
    'http://localhost:3000/x?redirect=http%3A%2F%2Fother.example',
    'http://localhost:3000/a%2Fb+c',
    'com.example.app://callback',
  ])('brings %s through', (redirect_to) => {
    expect(new URL(url({}, redirect_to)).searchParams.get('redirect_to')).toBe(redirect_to);
  });
});
