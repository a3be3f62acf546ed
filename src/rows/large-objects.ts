/** Whether the large objects of two databases are the same: their ids, owners, rights, comments and bytes. */
import type { NotChecked } from './compare-rows.ts';
import type { Sides } from './compare-table.ts';
import { findLast, type LargeObject, readLargeObjects } from './large-objects.sql.ts';

export interface LargeObjectsComparison {
  equal: boolean;
  /** How many the source has, and how many bytes they are. */
  count: number;
  bytes: number;
  differing: { row: string; difference: string }[];
  /** Whether more differ than are named. */
  more: boolean;
  not_checked: NotChecked[];
}

const OBJECTS_AT_ONCE = 200;
const NAMED_OBJECTS = 1000;
const LAST_ID = String(2 ** 32 - 1);

/**
 * Compares all of them, in both clients' transactions.
 *
 * @param ownerAtTarget Who owns at the target what this role owns at the source.
 */
export async function compareLargeObjects(
  { source, target }: Sides,
  ownerAtTarget: (role: string) => string = (role) => role,
  onObjects: (objects: number, bytes: number) => void = () => {},
): Promise<LargeObjectsComparison> {
  const comparison: LargeObjectsComparison = {
    equal: true,
    count: 0,
    bytes: 0,
    differing: [],
    more: false,
    not_checked: [],
  };
  let unreadable = 0;
  for (let after = '0'; after !== LAST_ID; ) {
    const upTo = (await findLast(source, after, OBJECTS_AT_ONCE)) ?? LAST_ID;
    const [there, here] = await Promise.all([
      readLargeObjects(source, after, upTo),
      readLargeObjects(target, after, upTo),
    ]);
    const arrived = new Map(here.map((object) => [object.id, object]));
    const bytes = there.reduce((sum, object) => sum + Number(object.bytes ?? 0), 0);
    comparison.count += there.length;
    comparison.bytes += bytes;
    for (const object of there) {
      const other = arrived.get(object.id);
      arrived.delete(object.id);
      if (other && (object.bytes === undefined || other.bytes === undefined)) unreadable += 1;
      for (const difference of differences(object, other, ownerAtTarget)) name(comparison, object.id, difference);
    }
    for (const id of arrived.keys()) name(comparison, id, 'not at the source');
    onObjects(there.length, bytes);
    after = upTo;
  }
  if (unreadable > 0) {
    const why = 'they belong to roles whose large objects the role may not read';
    comparison.not_checked.push({ what: `the bytes of ${unreadable} large objects`, why });
  }
  return comparison;
}

function differences(
  object: LargeObject,
  other: LargeObject | undefined,
  ownerAtTarget: (role: string) => string,
): string[] {
  if (!other) return ['missing at the target'];
  const owner = ownerAtTarget(object.owner);
  const readable = object.bytes !== undefined && other.bytes !== undefined;
  return [
    ...(owner === other.owner ? [] : [`owned by ${other.owner} instead of ${owner}`]),
    ...rightsDiffer(rightsOf(object, ownerAtTarget), rightsOf(other)),
    ...(object.comment === other.comment ? [] : ['another comment']),
    ...(readable && object.bytes !== other.bytes ? [`${other.bytes} bytes instead of ${object.bytes}`] : []),
    ...(readable && object.bytes === other.bytes && object.digest !== other.digest ? ['changed'] : []),
  ];
}

/** `SELECT to anon`, as the target calls who may. Of an owner who also has rights as another role they say nothing. */
function rightsOf({ owner, rights }: LargeObject, atTarget: (role: string) => string = (role) => role): string[] {
  const others = rights.filter(({ grantee }) => atTarget(grantee) !== atTarget(owner));
  return [...new Set(others.map(({ grantee, right }) => `${right} to ${atTarget(grantee)}`))].sort();
}

function rightsDiffer(there: string[], here: string[]): string[] {
  const lost = there.filter((right) => !here.includes(right));
  const gained = here.filter((right) => !there.includes(right));
  return [
    ...(lost.length > 0 ? [`without ${lost.join(', ')}`] : []),
    ...(gained.length > 0 ? [`with ${gained.join(', ')}`] : []),
  ];
}

function name(comparison: LargeObjectsComparison, id: string, difference: string): void {
  comparison.equal = false;
  if (comparison.differing.length < NAMED_OBJECTS) comparison.differing.push({ row: id, difference });
  else comparison.more = true;
}
