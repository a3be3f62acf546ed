/** What was recorded at the time of a backup against what its restore holds. */
import { comparableSql } from '../catalogue/comparable.ts';
import type { Contents, Digest } from './manifest.ts';

/** What differs, a sentence each; none when all of it is the same. */
export function compareContents(recorded: Contents, restored: Contents): string[] {
  const differences: string[] = [];
  for (const [table, before, after] of pairs(recorded.tables, restored.tables)) {
    if (!after) differences.push(`table ${table} is missing`);
    else if (!before) differences.push(`table ${table} was not there`);
    else if (before.count !== after.count)
      differences.push(`${table} has ${after.count} rows instead of ${before.count}`);
    else if (before.hash !== after.hash) differences.push(`${table} has as many rows, and not the same`);
  }
  for (const [sequence, before, after] of pairs(recorded.sequences, restored.sequences)) {
    if (before !== after)
      differences.push(`sequence ${sequence} is at ${after ?? 'nothing'} instead of ${before ?? 'nothing'}`);
  }
  const { large_objects: before } = recorded;
  const { large_objects: after } = restored;
  if (before.count !== after.count) {
    differences.push(`there are ${after.count} large objects instead of ${before.count}`);
  } else if (before.hash !== after.hash) {
    differences.push('there are as many large objects, and not the same');
  }
  return differences;
}

/** By name, whether or not a server has to quote it. */
function pairs<T extends Digest | string>(recorded: Record<string, T>, restored: Record<string, T>) {
  const byName = (of: Record<string, T>) =>
    new Map(Object.entries(of).map(([name, value]) => [comparableSql(name), value]));
  const [before, after] = [byName(recorded), byName(restored)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.map((name) => [name, before.get(name), after.get(name)] as const);
}
