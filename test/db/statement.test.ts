import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { arg, statement } from '../../src/db/statement.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

test('a value is one parameter for every use with the same cast, and another for each other cast', async () => {
  const uses = statement<{ ip: string; n: number }, Record<string, unknown>>(
    'uses_of_parameters',
    sql`select host(${arg('ip')}::inet) as host, ${arg('n')}::int + ${arg('n')}::int as doubled, ${arg('ip')}::text as text`,
  );
  const on = await database.pool.connect();
  try {
    expect(await uses({ $client: on } as never, { ip: '10.0.0.1', n: 21 })).toEqual([
      { host: '10.0.0.1', doubled: 42, text: '10.0.0.1' },
    ]);
    const { rows } = await on.query(`select parameter_types::text[] as types from pg_prepared_statements`);
    expect(rows).toEqual([{ types: ['inet', 'integer', 'text'] }]);
  } finally {
    on.release();
  }
});

test('an argument that is not given is NULL', async () => {
  const given = statement<{ a?: string; b?: string }, { a: string | null; b: string | null }>(
    'given_arguments',
    sql`select ${arg('a')}::text as a, ${arg('b')}::text as b`,
  );
  expect(await given(database.db, { b: 'there' })).toEqual([{ a: null, b: 'there' }]);
});

test('a value that is no argument is refused when the statement is made', () => {
  expect(() => statement('with_a_value', sql`select ${1}::int`)).toThrow(/with_a_value: every value/);
});
