/** Two databases to compare, and what was found to differ. */
import { randomBytes } from 'node:crypto';
import type { Verification } from '../../src/verify/verify.ts';
import { adminUrl } from '../harness/postgres.ts';
import type { SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';

/** A database with the same pages: the plainest of all copies. What belongs to a database by its name is not in them. */
export async function copyOf({ adminUrl: url }: SupabaseSource): Promise<string> {
  const of = new URL(url);
  const name = `${of.pathname.slice(1)}_${randomBytes(3).toString('hex')}`;
  await query(adminUrl(), `create database ${name} template ${of.pathname.slice(1)}`);
  await query(adminUrl(), `alter database ${name} set search_path = "$user", public, extensions`);
  of.pathname = `/${name}`;
  return of.href;
}

export async function dropCopy(url: string): Promise<void> {
  await query(adminUrl(), `drop database ${new URL(url).pathname.slice(1)} with (force)`);
}

/** What was found to differ, but for definitions, a line each. */
export const differingRows = ({ tables, sequences, large_objects, users }: Verification): string[] => [
  ...tables.flatMap(({ table, shape, differing }) => [
    ...shape.map((sentence) => `${table}: ${sentence}`),
    ...differing.map(({ row, difference, columns }) => `${table} ${row}: ${[difference, ...columns].join(' ')}`),
  ]),
  ...sequences.flatMap(({ sequence, differences }) => differences.map((sentence) => `${sequence}: ${sentence}`)),
  ...large_objects.differing.map(({ row, difference }) => `large object ${row}: ${difference}`),
  ...users.flatMap(({ differing }) => differing.map(({ table, key }) => `${table} ${key}`)),
];
