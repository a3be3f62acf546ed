/** `gatehouse settings explain`. */
import { describe, expect, it } from 'vitest';
import { run } from '../../src/config/settings.command.ts';
import { describeSettings } from '../../src/config.ts';
import { outcomeOf } from '../harness/command.ts';

async function explain(args: string[], env: NodeJS.ProcessEnv = {}) {
  return outcomeOf((streams) => run(args, { ...streams, env }));
}

it('lists every setting with its paragraph', async () => {
  const { code, stdout, stderr } = await explain([]);
  expect([code, stderr]).toEqual([0, '']);
  const words = stdout.replace(/\s+/g, ' ');
  for (const { heading, settings } of describeSettings()) {
    expect(stdout).toContain(`\n${heading}\n`);
    for (const { names, about } of settings) {
      expect(stdout).toContain(`\n${names.join(', ')}\n`);
      expect(words).toContain(about.replace(/\s+/g, ' '));
    }
  }
});

describe('a value', () => {
  it('is shown with the variable it is from, or as the default', async () => {
    const { stdout } = await explain(['api_port'], { PORT: '8080' });
    expect(stdout).toMatch(/^GATEHOUSE_API_PORT, GOTRUE_API_PORT, PORT\n {4}8080 \(PORT\)\n/m);
    expect((await explain(['api_port'])).stdout).toMatch(/^ {4}9999 \(default\)$/m);
    expect((await explain(['api_external_url'])).stdout).toMatch(/^ {4}not set$/m);
  });

  it('is that of the variable which wins', async () => {
    const { stdout } = await explain(['api_port'], { PORT: '8080', GATEHOUSE_API_PORT: '7070', GOTRUE_API_PORT: '' });
    expect(stdout).toMatch(/^ {4}7070 \(GATEHOUSE_API_PORT\)$/m);
    expect(stdout).not.toContain('8080 (');
  });

  it('of a row of variables is each that is set', async () => {
    const { stdout } = await explain(['mailer_subjects'], {
      GOTRUE_MAILER_SUBJECTS_INVITE: 'Come in',
      GATEHOUSE_MAILER_SUBJECTS_RECOVERY: 'Back again',
    });
    expect(stdout).toMatch(
      /^ {4}Back again \(GATEHOUSE_MAILER_SUBJECTS_RECOVERY\)\n {4}Come in \(GOTRUE_MAILER_SUBJECTS_INVITE\)$/m,
    );
  });

  it('of a secret is only that it is set, by itself or in a file', async () => {
    const { stdout } = await explain([], {
      SECRET_KEY: 'nobody may see this, not in 32 bytes or more',
      SMTP_PASS_FILE: '/run/secrets/smtp',
      GOTRUE_EXTERNAL_GITHUB_SECRET: 'nor may they see this',
      DATABASE_URL: 'postgresql://u:nor-this@localhost/d',
    });
    expect(stdout).not.toMatch(/nobody may see|nor may they|nor-this/);
    for (const set of ['SECRET_KEY', 'SMTP_PASS_FILE', 'GOTRUE_EXTERNAL_GITHUB_SECRET', 'DATABASE_URL']) {
      expect(stdout).toMatch(new RegExp(`^ {4}set \\(${set}\\)$`, 'm'));
    }
  });
});

it('with a word, only what has it in its name or text', async () => {
  const { stdout } = await explain(['PORT']);
  expect(stdout).toContain('GATEHOUSE_SMTP_PORT');
  expect(stdout).not.toContain('GATEHOUSE_SITE_URL');
  expect(await explain(['frobnicate'])).toEqual({ code: 0, stdout: 'No setting mentions that word.\n', stderr: '' });
});

it('mistakes in the environment come after it: 2', async () => {
  const { code, stdout, stderr } = await explain(['api_port'], { PORT: 'none', SECRET_KEY: 'short' });
  expect(code).toBe(2);
  expect(stdout).toMatch(/^ {4}none \(PORT\)$/m);
  expect(stderr.trim().split('\n')).toEqual([
    'PORT is "none", and must be a whole number from 1 to 65535.',
    'SECRET_KEY must be at least 32 bytes long: make one with "openssl rand -base64 48".',
  ]);
});

it.each([[['--all']], [['one', 'two']]])('%j is a usage: 2', async (args) => {
  expect(await explain(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/--help\.\n$/) });
});
