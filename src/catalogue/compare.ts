/** Whether two databases are made of the same things; if not, what has become of which. */
import {
  type Catalogue,
  type CatalogueObject,
  type Fact,
  grantName,
  isSame,
  objectKey,
  openOfOld,
  opensEverySchema,
  ownsIt,
} from './catalogue.ts';
import { comparableQuery, comparableSql, isOneLocale } from './comparable.ts';
import { type ComparedFact, comparedFacts, type DriftName, driftNumbers, type Kind, kinds } from './kinds.ts';

/** One difference. */
export interface Drift {
  /** Of the research's list of 36; undefined for what that list does not have. */
  number: number | undefined;
  name: DriftName;
  kind: Kind;
  /** `public.portfolios.cash` */
  object: string;
  change: 'missing' | 'added' | 'changed';
  /** The fact that is another, or the rights that one side alone has. */
  what: string | undefined;
  sentence: string;
  /** The two values, where the object is on both sides. */
  source?: Fact;
  target?: Fact;
}

/** What is another at the target on purpose. */
export interface Allowance {
  /** Role of the source → the role that takes its place. Those that are not in here keep their name. */
  roles?: ReadonlyMap<string, string>;
  /** Extensions that stay behind, and those that may be in another schema. */
  extensions?: ReadonlyMap<string, 'absent' | 'anywhere'>;
  /** Other objects that stay behind, as `objectKey` has them: `publication supabase_realtime`. */
  absent?: ReadonlySet<string>;
  /** Default privileges for every schema are those of these alone. What they close stays closed in every schema. */
  defaults_in?: readonly string[];
}

/** A right since PostgreSQL 17: what older servers do not have cannot be lost there. */
const MAINTAIN = { right: /^MAINTAIN/, since: 170_000 };
/** An owner may hand on whatever it may do. */
const GRANT_OPTION = / with grant option$/;

/**
 * Every difference, in the order of kinds and names. What hangs on an object that is missing is not named again: a lost table
 * is one drift, not one for each of its columns. Names, owners and rights of roles are compared as `allowance` maps them.
 */
export function compareCatalogues(source: Catalogue, target: Catalogue, allowance: Allowance = {}): Drift[] {
  const older = Math.min(source.server_version_num, target.server_version_num);
  const isKnown = (right: string) => older >= MAINTAIN.since || !MAINTAIN.right.test(right);
  const expected = allowing(source.objects, allowance, isKnown);
  const found = allowing(target.objects, {}, isKnown);
  const sameMajor = major(source) === major(target);
  const drifts: Drift[] = [];

  // Nothing is granted to a superuser that it could not do anyway, and nothing is lost to it.
  const withoutLimits = new Set(
    [...found.values()]
      .filter(({ kind, facts }) => kind === 'role' && facts.superuser === true)
      .map(({ name }) => name),
  );
  const isMoot = ({ facts }: CatalogueObject) =>
    typeof facts.grantee === 'string' && withoutLimits.has(facts.grantee) && !ownsIt(facts);

  for (const [key, object] of expected) {
    if (isMoot(object)) continue;
    const counterpart = found.get(key);
    if (counterpart) drifts.push(...differences(object, counterpart, { sameMajor, allowance }));
    else if (isAbsentOnPurpose(object, allowance) || isGoneWith(object, expected, found)) continue;
    else drifts.push(missing(object));
  }
  for (const [key, object] of found) {
    if (expected.has(key) || object.guest || object.kind === 'role') continue;
    if (isMoot(object) || isGoneWith(object, found, expected)) continue;
    drifts.push(added(object));
  }
  return drifts;
}

function isAbsentOnPurpose(object: CatalogueObject, { extensions, absent }: Allowance): boolean {
  if (absent?.has(objectKey(object))) return true;
  return object.kind === 'extension' && extensions?.get(unquoted(object.name)) === 'absent';
}

const unquoted = (name: string) => name.replace(/^"|"$/g, '');

/** Hangs on something that one side has and the other has not, which is named already. */
function isGoneWith({ parent }: CatalogueObject, there: Objects, here: Objects): boolean {
  if (parent === null) return false;
  const key = comparableSql(parent);
  return there.has(key) && !here.has(key);
}

type Objects = ReadonlyMap<string, CatalogueObject>;

const major = ({ server_version_num }: Catalogue) => Math.floor(server_version_num / 10_000);

/**
 * The objects with roles called what they are called at the target, by keys that do not hang on quotes. Two roles may become
 * one: it has the rights of both. Of rights there are those that both servers know.
 */
function allowing(
  objects: Objects,
  { roles = new Map(), defaults_in }: Allowance,
  isKnown: (right: string) => boolean,
): Objects {
  const as = (role: string) => roles.get(role) ?? role;
  const renamed = new Map<string, CatalogueObject>();
  const all = [...objects.values()];
  for (const object of defaults_in ? withDefaultsIn(defaults_in, all) : all) {
    if (object.kind === 'role' && roles.has(object.name)) continue;
    const facts = { ...object.facts };
    for (const fact of ['owner', 'grantee', 'maker', 'user', 'multirange_owner']) {
      if (typeof facts[fact] === 'string') facts[fact] = as(facts[fact]);
    }
    for (const fact of ['roles', 'member_of', 'inherits_otherwise', 'administers', 'never_acts_as']) {
      const names = facts[fact];
      if (Array.isArray(names)) facts[fact] = [...new Set(names.map(as))].sort();
    }
    let { name, parent } = object;
    if (object.kind === 'large objects') name = `of ${facts.owner}`;
    if (parent?.startsWith('large objects of ')) parent = `large objects of ${as(parent.slice(17))}`;
    // What a role makes is its own, whatever else is granted by default in a schema.
    if (object.kind === 'default privilege' && facts.schema !== null && ownsIt(facts)) continue;
    if (facts.grantee !== undefined || facts.user !== undefined) name = grantName(object.kind, parent, facts);
    const key = comparableSql(objectKey({ ...object, name }));
    const merged = renamed.get(key)?.facts;
    if (Array.isArray(facts.privileges)) {
      const rights = [...facts.privileges, ...strings(merged?.privileges ?? null)].filter(isKnown);
      const stated = ownsIt(facts) ? rights.filter((right) => !GRANT_OPTION.test(right)) : rights;
      if (stated.length === 0) continue;
      facts.privileges = [...new Set(stated)].sort();
    }
    if (typeof facts.count === 'number' && typeof merged?.count === 'number') facts.count += merged.count;
    const other = { ...object, name, parent, facts };
    renamed.set(key, isSame(object, other) ? object : other);
  }
  return renamed;
}

/**
 * With a default privilege for each of these schemas in place of one for every schema. Those on schemas to come have no
 * counterpart. What everybody and the owner have of old is not said; that everybody's was taken away is seen by what the owner
 * keeps, and of a list that takes from the owner all is said.
 */
function withDefaultsIn(schemas: readonly string[], objects: readonly CatalogueObject[]): CatalogueObject[] {
  const everywhere = objects.filter(({ kind, facts }) => kind === 'default privilege' && facts.schema === null);
  const beside = ({ maker, on }: CatalogueObject['facts']) =>
    everywhere.flatMap(({ facts }) => (facts.maker === maker && facts.on === on ? [facts] : []));
  const isOpen = (facts: CatalogueObject['facts']) => beside(facts).some(({ grantee }) => grantee === 'public');
  const isWhole = (facts: CatalogueObject['facts']) => beside(facts).every(({ whole }) => whole !== false);
  return objects.flatMap((object) => {
    const { kind, facts } = object;
    if (kind !== 'default privilege' || facts.schema !== null || facts.on === 'large objects') return [object];
    if (!opensEverySchema(object)) {
      const isClosed = ownsIt(facts) && openOfOld.includes(facts.on) && !isOpen(facts);
      return isClosed || !isWhole(facts) ? [object] : [];
    }
    if (facts.on === 'schemas') return [];
    return schemas.map((schema) => ({ ...object, facts: { ...facts, schema: quoted(schema) } }));
  });
}

const quoted = (name: string) => (/^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

interface Circumstances {
  sameMajor: boolean;
  allowance: Allowance;
}

function differences(source: CatalogueObject, target: CatalogueObject, circumstances: Circumstances): Drift[] {
  return Object.entries(comparedFacts(source.kind)).flatMap(([fact, compared]) => {
    const [a = null, b = null] = [source.facts[fact], target.facts[fact]];
    if (compared.as === 'privileges') return rightsChanged(source, strings(a), strings(b));
    if (isEqual(a, b, compared, circumstances) || isAllowed(source, fact, circumstances)) return [];
    if (compared.as === 'secrets') return [secretsChanged(source, compared, strings(a), strings(b))];
    return [changed(source, fact, compared, a, b)];
  });
}

function isAllowed({ kind, name }: CatalogueObject, fact: string, { allowance }: Circumstances): boolean {
  return kind === 'extension' && fact === 'schema' && allowance.extensions?.get(unquoted(name)) === 'anywhere';
}

function isEqual(a: Fact, b: Fact, { as }: ComparedFact, { sameMajor }: Circumstances): boolean {
  if (JSON.stringify(a) === JSON.stringify(b) || (as === 'majors' && !sameMajor)) return true;
  if (as === 'locale') return !sameMajor && typeof a === 'string' && typeof b === 'string' && isOneLocale(a, b);
  if (as === 'both') return a === null || b === null;
  if (as === 'order') return isInOneOrder(strings(a), strings(b));
  if (as === 'sql') return comparable(a, comparableSql) === comparable(b, comparableSql);
  if (as === 'view') return comparable(a, comparableQuery) === comparable(b, comparableQuery);
  return false;
}

function comparable(fact: Fact, normalise: (sql: string) => string): string {
  return JSON.stringify(fact, (_, value) => (typeof value === 'string' ? normalise(value) : value));
}

/** Those that both have come in the same order. */
function isInOneOrder(a: readonly string[], b: readonly string[]): boolean {
  const inBoth = (names: readonly string[], others: readonly string[]) => names.filter((name) => others.includes(name));
  return inBoth(a, b).join('\0') === inBoth(b, a).join('\0');
}

const strings = (fact: Fact): string[] =>
  Array.isArray(fact) ? fact.filter((item): item is string => typeof item === 'string') : [];

const driftOf = (
  name: DriftName,
  { kind, name: object }: CatalogueObject,
  { change, what, sentence }: Pick<Drift, 'change' | 'sentence'> & { what?: string },
): Drift => ({ number: driftNumbers[name], name, kind, object, change, what, sentence });

/** Of a list that takes all from the owner: to have that is a loss. */
const isNothing = (rights: readonly string[]) => rights.length === 1 && rights[0] === 'nothing';

function missing(object: CatalogueObject): Drift {
  const rights = strings(object.facts.privileges ?? null);
  const name = isNothing(rights) ? 'default privilege too wide' : (nameOfLoss(object) ?? kinds[object.kind].missing);
  if (rights.length > 0) return rightsLost(name, object, rights);
  return driftOf(name, object, { change: 'missing', sentence: `${titleOf(object)} is missing at the target.` });
}

function added(object: CatalogueObject): Drift {
  const rights = strings(object.facts.privileges ?? null);
  const name = isNothing(rights) ? 'default privilege lost' : kinds[object.kind].added;
  if (rights.length > 0) return rightsGained(name, object, rights);
  const sentence = `${titleOf(object)} is at the target and not at the source.`;
  return driftOf(name, object, { change: 'added', sentence });
}

/** What a constraint is lost under depends on what it was. */
function nameOfLoss({ kind, facts }: CatalogueObject): DriftName | undefined {
  if (kind !== 'constraint') return undefined;
  if (facts.form === 'check') return 'CHECK lost';
  if (facts.form === 'foreign key') return 'foreign key missing or not valid';
  return 'index missing or invalid';
}

function changed(
  object: CatalogueObject,
  fact: string,
  { drift, words }: ComparedFact,
  source: Fact,
  target: Fact,
): Drift {
  const name = nameOfChange(object, fact) ?? drift;
  const [there, here] = shortened(shown(source), shown(target));
  const sentence = `${titleOf(object)}: ${words} is ${there} at the source and ${here} at the target.`;
  return { ...driftOf(name, object, { change: 'changed', what: words, sentence }), source, target };
}

/** Options whose values nobody is shown, nor their hashes: those that differ, by name. */
function secretsChanged(
  object: CatalogueObject,
  { drift, words }: ComparedFact,
  source: string[],
  target: string[],
): Drift {
  const differing = [
    ...source.filter((one) => !target.includes(one)),
    ...target.filter((one) => !source.includes(one)),
  ];
  const names = [...new Set(differing.map((option) => option.replace(/=[^=]*$/, '')))].sort().join(', ');
  const sentence = `${titleOf(object)}: ${words} are not those of the source (${names}).`;
  return driftOf(drift, object, { change: 'changed', what: words, sentence });
}

function nameOfChange(object: CatalogueObject, fact: string): DriftName | undefined {
  if (object.kind === 'constraint' && fact === 'valid') return nameOfLoss(object);
  if (object.kind === 'index' && fact === 'predicate' && object.facts.unique === true) return 'unique predicate lost';
  return undefined;
}

/** Lost and gained rights are two things: the one breaks the portal, the other opens it. */
function rightsChanged(object: CatalogueObject, source: string[], target: string[]): Drift[] {
  const lost = source.filter((right) => !target.includes(right));
  const gained = target.filter((right) => !source.includes(right));
  const { missing: loss, added: gain } = kinds[object.kind];
  return [
    ...(lost.length > 0 ? [rightsLost(loss, object, lost)] : []),
    ...(gained.length > 0 ? [rightsGained(gain, object, gained)] : []),
  ];
}

function rightsLost(name: DriftName, object: CatalogueObject, rights: readonly string[]): Drift {
  const sentence = `${rightsOf(object, rights)}: not at the target.`;
  return driftOf(name, object, { change: 'missing', what: rights.join(', '), sentence });
}

function rightsGained(name: DriftName, object: CatalogueObject, rights: readonly string[]): Drift {
  const sentence = `${rightsOf(object, rights)}: at the target only.`;
  return driftOf(name, object, { change: 'added', what: rights.join(', '), sentence });
}

const rightsOf = ({ kind, name }: CatalogueObject, rights: readonly string[]) =>
  `${kind === 'grant' ? 'Grant' : 'Default privilege'} of ${rights.join(', ')} ${name}`;

function titleOf({ kind, name }: CatalogueObject): string {
  if (kind === 'database') return 'The database';
  return `${kind[0]?.toUpperCase()}${kind.slice(1)} ${name}`;
}

function shown(fact: Fact): string {
  if (fact === null) return 'not set';
  if (fact === true) return 'on';
  if (fact === false) return 'off';
  return (Array.isArray(fact) ? fact.join(', ') || 'none' : String(fact)).replace(/\s+/g, ' ').trim();
}

/** So much of a value is in a sentence; the whole is in the drift. */
const SHOWN_LENGTH = 160;
/** So much of what both begin with. */
const LEAD = 40;

/** Both values, long ones from a little before the place where they part. */
function shortened(...values: [string, string]): string[] {
  const [one, other] = values;
  let parting = 0;
  while (parting < one.length && one[parting] === other[parting]) parting++;
  const start = Math.max(...values.map(({ length }) => length)) > SHOWN_LENGTH ? Math.max(0, parting - LEAD) : 0;
  return values.map((value) => {
    const end = start + SHOWN_LENGTH;
    return `${start > 0 ? '…' : ''}${value.slice(start, end)}${value.length > end ? '…' : ''}`;
  });
}
