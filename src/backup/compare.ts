/** What was recorded at the time of a backup against what its restore holds. */
import type { Contents, Digest } from './manifest.ts';

/** What differs, a sentence each; none when all of it is the same. */
export function compareContents(recorded: Contents, restored: Contents, sameMajor: boolean): string[] {
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
  const kinds = pairs(recorded.kinds, restored.kinds);
  for (const [kind, before, after] of [
    ...kinds,
    ['large objects', recorded.large_objects, restored.large_objects] as const,
  ]) {
    const [had, has] = [before?.count ?? 0, after?.count ?? 0];
    if (had !== has) differences.push(`there are ${has} ${kind} instead of ${had}`);
    // Versions differ in what they keep of a thing, and in rights that they know.
    else if (before?.hash !== after?.hash && (sameMajor || kind === 'large objects')) {
      differences.push(`there are as many ${kind}, and not the same`);
    }
  }
  return differences;
}

function pairs<T extends Digest | string>(recorded: Record<string, T>, restored: Record<string, T>) {
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(restored)])].sort();
  return names.map((name) => [name, recorded[name], restored[name]] as const);
}
