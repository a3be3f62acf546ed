/** What a portal consists of, counted: each kind of object, and of each what somebody who moves it wants to know. */
import type { Catalogue, CatalogueObject } from '../catalogue/catalogue.ts';
import { type Kind, kinds } from '../catalogue/kinds.ts';

export interface InventoryLine {
  kind: Kind;
  /** As a heading: `tables`. */
  title: string;
  count: number;
  details: { what: string; count: number }[];
  /** `by hand`: no copy brings it; what there is to do about it is among the findings. */
  becomes: 'moves' | 'by hand';
}

/** Made by somebody who knows a password, or by what is installed at the server. */
const byHand = new Set<Kind>(['foreign data wrapper', 'foreign server', 'user mapping', 'language', 'security label']);

type Condition = (object: CatalogueObject, catalogue: Catalogue) => boolean;

const on =
  (schema: string): Condition =>
  ({ parent }) =>
    parent?.startsWith(`table ${schema}.`) === true;
const is =
  (fact: string, value: CatalogueObject['facts'][string]): Condition =>
  ({ facts }) =>
    facts[fact] === value;
const has =
  (fact: string): Condition =>
  ({ facts }) =>
    facts[fact] !== null && facts[fact] !== undefined;

/** What is told apart within a kind. */
const details: Partial<Record<Kind, Record<string, Condition>>> = {
  table: {
    partitioned: is('form', 'partitioned'),
    'as partitions': has('partition'),
    inheriting: ({ facts }) => Array.isArray(facts.inherits) && facts.inherits.length > 0,
    unlogged: is('persistence', 'unlogged'),
    foreign: is('form', 'foreign'),
    'under row level security': is('row_security', true),
    forced: is('forced_row_security', true),
    'without primary key': isWithoutKey,
  },
  column: { generated: has('generated'), identity: has('identity') },
  constraint: {
    'foreign key': is('form', 'foreign key'),
    'to auth.users': is('references', 'auth.users'),
    'not validated': is('valid', false),
  },
  index: { unique: is('unique', true), partial: has('predicate'), invalid: is('valid', false) },
  policy: {
    restrictive: is('form', 'restrictive'),
    'on auth': on('auth'),
    'on storage': on('storage'),
  },
  trigger: { 'on auth': on('auth'), 'on storage': on('storage'), disabled: is('enabled', 'disabled') },
  function: {
    procedure: is('form', 'procedure'),
    aggregate: is('form', 'aggregate'),
    'security definer': is('security_definer', true),
  },
  view: { 'security invoker': is('security_invoker', true) },
  'materialized view': { 'not populated': is('populated', false) },
  type: {
    enum: is('form', 'enum'),
    domain: is('form', 'domain'),
    composite: is('form', 'composite'),
    range: is('form', 'range'),
  },
};

/** Things of a database that are told elsewhere in a plan, or that nobody counts. */
const untold = new Set<Kind>(['database', 'role', 'extension', 'large objects']);

/** Kinds of which there are none are left out. */
export function takeInventory(catalogue: Catalogue): InventoryLine[] {
  const byKind = Map.groupBy(catalogue.objects.values(), ({ kind }) => kind);
  return [...byKind]
    .filter(([kind]) => !untold.has(kind))
    .map(([kind, objects]) => ({
      kind,
      title: kinds[kind].plural,
      count: objects.length,
      details: Object.entries(details[kind] ?? {})
        .map(([what, condition]) => ({ what, count: objects.filter((object) => condition(object, catalogue)).length }))
        .filter(({ count }) => count > 0),
      becomes: byHand.has(kind) ? 'by hand' : 'moves',
    }));
}

/** Its rows have no name: what differs between two of its copies can be counted, and not pointed at. */
export function isWithoutKey({ name, facts }: CatalogueObject, catalogue: Catalogue): boolean {
  if (facts.form === 'foreign') return false;
  return !primaryKeys(catalogue).has(`table ${name}`);
}

const keysOf = new WeakMap<Catalogue, Set<string>>();

function primaryKeys(catalogue: Catalogue): Set<string> {
  let keys = keysOf.get(catalogue);
  if (!keys) {
    const constraints = [...catalogue.objects.values()].filter(({ facts }) => facts.form === 'primary key');
    keys = new Set(constraints.flatMap(({ parent }) => (parent === null ? [] : [parent])));
    keysOf.set(catalogue, keys);
  }
  return keys;
}
