/** What `npm pack` makes, installed elsewhere without a development dependency: it runs, and knows where its files are. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { emptyDatabase, type TestDatabase } from './harness/postgres.ts';
import { endPrograms, freePort, startInstalled } from './harness/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const SECRET_KEY = 'a secret of this file, and of nobody else';

let directory: string;
let database: TestDatabase;
/** Where somebody has installed the package. */
let elsewhere: string;
let installed: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-package-'));
  database = await emptyDatabase();
  // A copy: others may build or read the checkout meanwhile.
  const checkout = join(directory, 'checkout');
  await mkdir(checkout);
  for (const name of readdirSync(root)) {
    if (!/^(?:\.|node_modules$|dist$)/.test(name))
      await cp(join(root, name), join(checkout, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', directory], { cwd: checkout });

  elsewhere = join(directory, 'elsewhere');
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, 'package.json'), '{ "private": true }');
  const quietly = ['--no-audit', '--no-fund', '--prefer-offline'];
  const tarball = join(directory, `gatehouse-${manifest.version}.tgz`);
  await run('npm', ['install', '--omit=dev', '--ignore-scripts', ...quietly, tarball], { cwd: elsewhere });
  installed = join(elsewhere, 'node_modules/gatehouse');
});
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});
afterEach(endPrograms);

const bin = () => join(elsewhere, 'node_modules/.bin/gatehouse');

/** A command of the installed package, to its end. */
async function gatehouse(args: string[], env: Record<string, string> = {}) {
  const command = startInstalled(bin(), args, env, elsewhere);
  const { code } = await command.ended;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

async function serve(file: string, args: string[], env: Record<string, string> = {}) {
  const port = await freePort();
  const variables = { DATABASE_URL: database.url, SECRET_KEY, PORT: String(port), ...env };
  const service = startInstalled(file, args, variables, elsewhere);
  await service.says(/"msg":"listening"/);
  return { service, url: `http://127.0.0.1:${port}` };
}

it('holds what runs and what is read, and nothing of the tests', () => {
  expect(readdirSync(installed).sort()).toEqual(
    ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'docs', 'drizzle', 'openapi.yaml', 'package.json'].sort(),
  );
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files.filter((file) => /test|\.tsx?$|\.env/.test(file))).toEqual([]);
  const read = (path: string) => readFileSync(path, 'utf8');
  for (const file of [...readdirSync(join(root, 'drizzle')).map((name) => `drizzle/${name}`), 'openapi.yaml']) {
    expect(read(join(installed, file))).toBe(read(join(root, file)));
  }
});

it('brings no development dependency', () => {
  for (const name of Object.keys(manifest.devDependencies)) {
    expect([name, existsSync(join(elsewhere, 'node_modules', name))]).toEqual([name, false]);
  }
});

it('has its command in the PATH, as a program', async () => {
  // As a shell runs it: by its first line and its mode.
  const { stdout } = await run(bin(), ['--help'], { env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` } });
  expect(stdout).toMatch(new RegExp(`^gatehouse ${manifest.version}: `));
  expect(stdout).toMatch(/^ {2}serve +\w/m);
});

it('runs its commands', async () => {
  expect(await gatehouse(['--version'])).toMatchObject({ code: 0, stdout: `gatehouse ${manifest.version}\n` });
  expect(await gatehouse(['keys'], { SECRET_KEY })).toMatchObject({ code: 0, stderr: '' });
  expect((await gatehouse(['serve', '--help'])).stdout).toMatch(/^gatehouse serve\n/);
});

describe('without a database', () => {
  it.each([['main.js'], ['bin.js serve']])('%s says in a sentence what is needed, and makes nothing', async (start) => {
    const [file = '', ...args] = start.split(' ');
    const service = startInstalled(join(installed, 'dist', file), args, {}, elsewhere);
    expect((await service.ended).code).toBe(4);
    expect(service.stderr()).toMatch(/^DATABASE_URL is needed: [^\n]+\n$/);
    expect(existsSync(join(elsewhere, '.gatehouse'))).toBe(false);
  });
});

it('makes the schema in an empty database, is ready, signs up and in, and ends in order', async () => {
  const { service, url } = await serve(bin(), ['serve'], { GATEHOUSE_MAILER_AUTOCONFIRM: 'true' });
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready' });
  expect(await (await fetch(`${url}/openapi.yaml`)).text()).toBe(readFileSync(join(root, 'openapi.yaml'), 'utf8'));

  const person = { email: 'ann@example.com', password: 'correct horse battery' };
  const ask = async (path: string) => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(person) });
    return [answer.status, ((await answer.json()) as { user: { email: string } }).user.email];
  };
  expect(await ask('/auth/v1/signup')).toEqual([200, person.email]);
  expect(await ask('/auth/v1/token?grant_type=password')).toEqual([200, person.email]);

  service.kill('SIGTERM');
  expect(await service.ended).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe('');
});

it('serves with several processes', async () => {
  const { service, url } = await serve(bin(), ['serve'], { WEB_CONCURRENCY: '2' });
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect(service.log().filter(({ msg }) => msg === 'worker listens')).toHaveLength(2);
  service.kill('SIGTERM');
  expect((await service.ended).code).toBe(0);
});
