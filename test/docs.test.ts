/** The pages for readers say what is so, as far as a program can tell: settings, events, commands, scripts, links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it, test } from 'vitest';
import { settingsPage } from '../docs/settings.ts';
import { actions } from '../src/audit/events.ts';
import { describeSettings } from '../src/config.ts';
import { firstWelcome } from '../src/home/welcome.ts';
import { version } from '../src/version.ts';

const root = join(import.meta.dirname, '..');
/** Of Supabase Auth, and of what is to come: they name what is not here. */
const ofOthers = new Set(['docs/contract.md', 'docs/design.md', 'docs/weaknesses.md']);
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownBelow('docs')].filter(
  (page) => !ofOthers.has(page),
);
const read = (page: string) => readFileSync(join(root, page), 'utf8');

function markdownBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `${directory}/${file}`);
}

/** Every name a variable is read under, as what a text may have of it. */
const variables = describeSettings()
  .flatMap(({ settings }) => settings)
  .flatMap(({ names, words, secret }) =>
    names.flatMap((name) => {
      const all = words.length > 0 ? [name, ...words.map((word) => name.replace(/<\w+>/, word))] : [name];
      return secret ? [...all, ...all.map((each) => `${each}_FILE`)] : all;
    }),
  );

test('docs/settings.md is what "npm run docs:settings" makes', () => {
  expect(read('docs/settings.md')).toBe(settingsPage());
});

test('docs/audit-log.md explains every event, and no other', () => {
  const [events = ''] = /^## Events$.*^## Questions$/ms.exec(read('docs/audit-log.md')) ?? [];
  const explained = [...events.matchAll(/^\| `(\w+)` \|/gm)].map(([, action]) => action);
  expect(explained.toSorted()).toEqual([...actions].sort());
});

test('README.md shows what the first start prints', () => {
  const secrets = {
    secret_key: '…',
    anon_key: 'eyJ…',
    service_role_key: 'eyJ…',
    administrator: { email: 'admin@localhost', password: '…' },
  };
  const postgres = { url: '', port: 40943, stop: async () => {}, gone: Promise.resolve() };
  const home = { directory: '/x/.gatehouse', secrets, postgres, environment: {}, mailbox: '/x/.gatehouse/mail' };
  const screen = firstWelcome({ version, url: 'http://127.0.0.1:9999', home, cwd: '/x' });
  const [, shown] = /^```text\n(.*?)^```$/ms.exec(read('README.md')) ?? [];
  expect(shown).toBe(stripVTControlCharacters(screen).replace(/^\n/, '').replace(/\n$/, ''));
});

describe.each([...pages, 'openapi.yaml'])('%s', (page) => {
  const text = read(page);

  it('names settings that there are', () => {
    const named = [...text.matchAll(/\b(?:GATEHOUSE|GOTRUE)_[A-Z0-9_]+[A-Z0-9](?![A-Z0-9_<\\]|_?…)/g)].map(
      ([name]) => name,
    );
    expect(variables).toEqual(expect.arrayContaining(named));
  });

  it('links to files that there are', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => link);
    const written = [...text.matchAll(/`((?:src|test|docs|drizzle|bench)\/[\w./-]+\.\w+)`/g)].map(
      ([, path = '']) => path,
    );
    const missing = [...links.map((link) => join(dirname(page), link)), ...written].filter(
      (path) => !existsSync(join(root, path)),
    );
    expect(missing).toEqual([]);
  });

  it('names commands and scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const called = [...text.matchAll(/npm (?:run|test|start)(?: (?:-s )?([a-z][\w:]*))?/g)];
    for (const [call, script] of called)
      expect([call, Object.keys(scripts)]).toEqual([call, expect.arrayContaining([script ?? 'test'])]);

    const commands = [...read('src/cli.ts').matchAll(/^ {4}name: '([a-z ]+)'/gm)].map(([, name = '']) => name);
    const named = [
      ...text.matchAll(/(?:gatehouse|npm run gatehouse --) ((?:migrate|backup|roles|clients|keys|settings)\b[a-z ]*)/g),
    ];
    for (const [, words = ''] of named) {
      expect([words, commands.some((name) => words.trim().startsWith(name))]).toEqual([words, true]);
    }
  });
});
