/** What a database is made of, as values that can be compared: nothing is changed, and no row of a table is read. */
import type pg from 'pg';
import { type CatalogueRow, listObjects, listRoles, readServerVersion, withPinnedSettings } from './catalogue.sql.ts';
import { type Kind, kinds } from './kinds.ts';

export type Fact = string | number | boolean | null | readonly (string | null)[];

export interface CatalogueObject {
  kind: Kind;
  /** What a sentence calls it: `public.portfolios.cash`, `"own profile" on public.profiles`. */
  name: string;
  /** Kind and name of what it hangs on, and would be gone with: `table public.portfolios`. */
  parent: string | null;
  /** On a table that is not itself of the schemas asked for: schema auth may have more of it here than there. */
  guest: boolean;
  facts: Readonly<Record<string, Fact>>;
}

export interface Catalogue {
  /** 150018 for PostgreSQL 15.18. */
  server_version_num: number;
  schemas: readonly string[];
  /** By `objectKey`. */
  objects: ReadonlyMap<string, CatalogueObject>;
}

/** Tokens name these, whether or not anything is granted to them. */
const apiRoles = ['anon', 'authenticated', 'service_role', 'authenticator'];

/**
 * Reads everything that these schemas consist of, and what belongs to the database as a whole: extensions, publications,
 * default privileges, event triggers of theirs, their triggers and policies on schema auth, large objects, and the roles that
 * any of it names. One statement per kind, however many objects: 550 tables take about a second.
 *
 * What it says does not hang on the session's settings. Of one moment only inside a transaction that is `repeatable read`.
 * An object that is the same in `other` is the very one: two catalogues of one portal take little more memory than one.
 */
export async function readCatalogue(
  client: pg.ClientBase,
  schemas: readonly string[],
  other?: Catalogue,
): Promise<Catalogue> {
  return withPinnedSettings(client, async () => {
    const server_version_num = await readServerVersion(client);
    const found: CatalogueObject[] = [];
    for (const kind of Object.keys(kinds) as Kind[]) {
      if (kind === 'role') continue;
      for (const row of await listObjects(client, kind, schemas)) found.push(sharedWith(other, objectOf(kind, row)));
    }
    const roles = await listRoles(client, [...new Set([...apiRoles, ...found.flatMap(rolesOf)])]);
    found.push(...roles.map((row) => sharedWith(other, objectOf('role', row))));
    return { server_version_num, schemas, objects: byKey(found) };
  });
}

export function objectKey({ kind, name }: Pick<CatalogueObject, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

function sharedWith(other: Catalogue | undefined, object: CatalogueObject): CatalogueObject {
  const counterpart = other?.objects.get(objectKey(object));
  return counterpart && isSame(counterpart, object) ? counterpart : object;
}

/** Nothing that is known of them differs. */
export const isSame = (one: CatalogueObject, other: CatalogueObject) => JSON.stringify(one) === JSON.stringify(other);

/** In the order of kinds, and of names within. */
export function byKey(objects: readonly CatalogueObject[]): Map<string, CatalogueObject> {
  const order = Object.keys(kinds);
  const sorted = [...objects].sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  return new Map(sorted.map((object) => [objectKey(object), object]));
}

function objectOf(kind: Kind, { object, parent, guest, ...facts }: CatalogueRow): CatalogueObject {
  const known = facts as Record<string, Fact>;
  const hangsOn = typeof parent === 'string' ? parent : null;
  return {
    kind,
    name: typeof object === 'string' ? object : grantName(kind, hangsOn, known),
    parent: hangsOn,
    guest: guest === true,
    facts: known,
  };
}

/**
 * A grant has no name of its own: it is who may what on which object. The owner has its rights as the owner, whoever that is.
 * A user mapping has none either.
 */
export function grantName(kind: Kind, parent: string | null, facts: CatalogueObject['facts']): string {
  const { grantee, maker, schema, on, user } = facts;
  if (kind === 'user mapping') return `of ${user} on ${parent}`;
  const whom = ownsIt(facts) ? 'its owner' : grantee;
  if (kind !== 'default privilege') return `to ${whom} on ${parent}`;
  return `to ${whom} on ${on} that ${maker} makes${schema === null ? '' : ` in schema ${schema}`}`;
}

/** Of a grant: the grantee owns the object, or what it will make. */
export function ownsIt({ grantee, owner, maker }: CatalogueObject['facts']): boolean {
  return grantee === (owner ?? maker);
}

/** What everybody may use and execute who was not forbidden to. */
export const openOfOld: readonly (Fact | undefined)[] = ['functions', 'types'];

/** Of a default privilege: others may what its maker makes, in whichever schema. Large objects are in none. */
export function opensEverySchema({ kind, facts }: CatalogueObject): boolean {
  if (kind !== 'default privilege' || facts.schema !== null || facts.on === 'large objects' || ownsIt(facts))
    return false;
  return facts.grantee !== 'public' || !openOfOld.includes(facts.on);
}

function rolesOf({ facts }: CatalogueObject): string[] {
  return [
    facts.owner,
    facts.grantee,
    facts.maker,
    facts.user,
    facts.multirange_owner,
    ...(Array.isArray(facts.roles) ? facts.roles : []),
  ].filter((role): role is string => typeof role === 'string');
}
