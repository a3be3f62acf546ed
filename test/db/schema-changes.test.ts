import { expect, it } from 'vitest';
import { applySchemaChanges } from '../../src/db/schema-changes.ts';
import { emptyDatabase } from '../harness/postgres.ts';

it('eight instances that start at once apply each schema change once', async () => {
  const database = await emptyDatabase();
  const results = await Promise.all(Array.from({ length: 8 }, () => applySchemaChanges(database.url)));
  const applied = results.flatMap((result) => result.applied).sort();
  const { rows } = await database.pool.query('select version from gatehouse.schema_changes order by version');
  expect(applied).toEqual(rows.map((row) => row.version));
  await database.drop();
});
