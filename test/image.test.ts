/** Dockerfile and compose.yaml as far as a machine without containers can tell: what they copy, set and ask is what there is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import manifest from '../package.json' with { type: 'json' };
import { readConfig } from '../src/config.ts';
import { freePort } from './harness/program.ts';

const read = (name: string) => readFileSync(join(import.meta.dirname, '..', name), 'utf8');
const dockerfile = read('Dockerfile').replace(/\\\n/g, ' ');
/** `[instruction, its words]`, in order. */
const lines = dockerfile
  .split('\n')
  .map((line) => /^([A-Z]+)\s+(.*)$/.exec(line))
  .filter((line) => line !== null)
  .map(([, instruction = '', words = '']) => [instruction, words] as const);
const wordsOf = (instruction: string) => lines.filter(([name]) => name === instruction).map(([, words]) => words);
const compose = parse(read('compose.yaml'));

describe('the image', () => {
  it('takes from the checkout what there is, and what .dockerignore lets through', () => {
    const let_through = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    const copied = wordsOf('COPY')
      .filter((words) => !words.startsWith('--from'))
      .flatMap((words) => words.split(/\s+/).slice(0, -1));
    expect(copied.filter((path) => !existsSync(path))).toEqual([]);
    expect([...new Set(copied)].sort()).toEqual(let_through.sort());
  });

  it('is built as the package is', () => {
    const steps = manifest.scripts.build.replace(/^rm -rf dist && tsc /, 'node node_modules/typescript/bin/tsc ');
    expect(wordsOf('RUN').map((words) => words.replace(/\s+/g, ' '))).toContain(steps);
  });

  it('has all that the package has, and that runs', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    for (const name of ['dist', 'drizzle', 'openapi.yaml', 'package.json', 'node_modules']) {
      expect(last).toMatch(new RegExp(`^COPY .*\\b${name}\\b`, 'm'));
    }
    expect(last).toContain(`/app/${manifest.bin.gatehouse} /usr/local/bin/gatehouse`);
    expect([wordsOf('ENTRYPOINT'), wordsOf('CMD')]).toEqual([['["gatehouse"]'], ['["serve"]']]);
  });

  it('runs with the Node that is tested, as nobody of importance', () => {
    const major = manifest.devDependencies.node.split('.')[0];
    expect(wordsOf('FROM').map((words) => words.split(' ')[0])).toEqual(Array(3).fill(`node:${major}-trixie-slim`));
    expect(wordsOf('USER')).toEqual(['1000:1000']);
  });

  describe('asks about its health', () => {
    const command: string[] = JSON.parse(/\[.*\]/.exec(wordsOf('HEALTHCHECK')[0] ?? '')?.[0] ?? '[]');

    async function health(env: Record<string, string>): Promise<number> {
      const child = spawn(process.execPath, command.slice(1), { env, stdio: 'ignore' });
      const [code] = await once(child, 'exit');
      return code;
    }

    let status = 200;
    const asked: (string | undefined)[] = [];
    const server = createServer((req, res) => {
      asked.push(req.url);
      res.writeHead(status).end();
    });
    let port: string;
    beforeAll(async () => {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      port = String((server.address() as AddressInfo).port);
    });
    afterAll(() => void server.close());

    it.each(['PORT', 'GATEHOUSE_API_PORT', 'GOTRUE_API_PORT'])('at the port that %s names', async (name) => {
      asked.length = 0;
      expect(await health({ [name]: port })).toBe(0);
      expect(asked).toEqual(['/readyz']);
    });

    it('and is not well where the answer is no, or none', async () => {
      status = 503;
      expect(await health({ PORT: port })).toBe(1);
      expect(await health({ PORT: String(await freePort()) })).toBe(1);
    });
  });
});

describe('compose.yaml', () => {
  it('sets what there is, completely, with secrets in files alone', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gatehouse-compose-'));
    const env: Record<string, string> = { HOST: '0.0.0.0' };
    for (const [name, value] of Object.entries<string>(compose.services.gatehouse.environment)) {
      const secret = /^\/run\/secrets\/(\w+)$/.exec(value)?.[1];
      env[name] = secret ? join(directory, secret) : value;
      if (secret) {
        expect(compose.services.gatehouse.secrets).toContain(secret);
        expect(compose.secrets[secret].file).toMatch(/^\.\/secrets\//);
        await writeFile(join(directory, secret), `the secret ${secret}, of more than thirty-two bytes\n`);
      }
    }
    const { settings, secrets, unknown } = readConfig(env);
    await rm(directory, { recursive: true });
    expect(unknown).toEqual([]);
    expect(secrets.database).toMatchObject({
      host: 'postgres',
      password: expect.stringMatching(/^the secret postgres/),
    });
    expect(settings).toMatchObject({ smtp_host: '127.0.0.1', smtp_port: 1025 });
  });

  it('shows ports to this machine alone, and lets nothing write or rise', () => {
    for (const service of Object.values<Record<string, unknown>>(compose.services)) {
      for (const port of (service.ports as string[] | undefined) ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
    for (const name of ['gatehouse', 'mailpit']) {
      expect(compose.services[name]).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    }
    for (const name of ['postgres', 'mailpit']) expect(compose.services[name].healthcheck.test[0]).toBe('CMD');
  });

  it('keeps its secrets out of the repository and the image', () => {
    expect(read('.gitignore').split('\n')).toContain('secrets/');
    expect(
      read('.dockerignore')
        .split('\n')
        .find((line) => !line.startsWith('#')),
    ).toBe('*');
  });
});
