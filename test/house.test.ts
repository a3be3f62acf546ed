/** The plan of the house (CONTRIBUTING.md): which room may use which. What endings may import is the linter's to say. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it, test } from 'vitest';

/** From the top of the house down. A room uses rooms below it, never one above. */
const rooms = [
  'service',
  'home',
  'grants',
  'verification',
  'mfa',
  'clients',
  'users',
  'sessions',
  'roles',
  'one-time-tokens',
  'lockout',
  'passwords',
  'mail',
  'access-tokens',
  'backup',
  'report',
  'plan',
  'copy',
  'verify',
  'portal',
  'migrate',
  'rows',
  'catalogue',
  'audit',
  'http',
  'config',
  'db',
];
/** The noun that every room speaks of: a user's row and JSON, without rules. */
const nouns = new Set(['users/user.ts', 'users/user-columns.sql.ts']);
/** On a route's line in app.ts rooms further up may stand; above the rooms are what starts a process and a request. */
const aboveRooms = new Set([
  'app.ts',
  'main.ts',
  'cli.ts',
  'command.ts',
  'gatehouse.ts',
  'config.ts',
  'errors.ts',
  'version.ts',
]);

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const src = join(import.meta.dirname, '../src');
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports = files.flatMap(importsOf);

function importsOf(from: string): Import[] {
  const source = readFileSync(join(src, from), 'utf8');
  return [...source.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '(\.[^']+)';/gms)].map(
    ([, type, path = '']) => ({
      from,
      to: normalize(join(dirname(from), path)),
      typeOnly: type !== undefined,
    }),
  );
}

const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : undefined);

it('every folder is a room of the plan', () => {
  const folders = new Set(files.map(roomOf).filter((room) => room !== undefined));
  expect([...folders].sort()).toEqual([...rooms].sort());
});

it('CONTRIBUTING.md describes every room, from the top down', () => {
  const page = readFileSync(join(src, '../CONTRIBUTING.md'), 'utf8');
  expect([...page.matchAll(/^\| `([\w-]+)` \| /gm)].map(([, room]) => room)).toEqual(rooms);
});

test('rooms use the rooms below them', () => {
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    const [own, other] = [roomOf(from), roomOf(to)];
    if (typeOnly || own === undefined || other === undefined || own === other || nouns.has(to)) return false;
    if (/\.(?:http|command)\.ts$/.test(from)) return false; // a door may ask any rule
    return rooms.indexOf(other) < rooms.indexOf(own);
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test('no room uses what stands above the rooms, but for its types and the catalogue of errors', () => {
  const usable = new Set(['config.ts', 'errors.ts', 'command.ts', 'version.ts', 'gatehouse.ts', 'app.ts']);
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    if (typeOnly || roomOf(from) === undefined || !aboveRooms.has(to)) return false;
    return !usable.has(to) || ((to === 'gatehouse.ts' || to === 'app.ts') && roomOf(from) !== 'service');
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test('drizzle is loaded in one place', () => {
  const importing = files.filter((file) => readFileSync(join(src, file), 'utf8').includes("from 'drizzle-orm"));
  expect(importing).toEqual(['db/drizzle.ts']);
});

test('no file is reached from itself', () => {
  const edges = Map.groupBy(
    imports.filter(({ typeOnly }) => !typeOnly),
    ({ from }) => from,
  );
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  function visit(file: string, path: string[]): void {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const { to } of edges.get(file) ?? []) visit(to, [...path, file]);
    state.set(file, 'done');
  }
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

test('every file opens by saying what it is for', () => {
  const silent = files.filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(readFileSync(join(src, file), 'utf8')));
  expect(silent).toEqual([]);
});
