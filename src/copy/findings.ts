/** What a copy's operator must mend, decide or know: a sentence each. */
import { type Catalogue, type CatalogueObject, opensEverySchema } from '../catalogue/catalogue.ts';
import type { Side } from '../migrate/failure.ts';
import type { Finding } from '../migrate/plan.ts';
import type { PortalEventTrigger } from '../portal/event-triggers.sql.ts';
import type { LargeObject } from '../portal/large-objects.sql.ts';
import type { ForeignServer, LooseEnd, MadeObject } from '../portal/objects.sql.ts';
import type { AuthTrigger } from '../portal/rights.sql.ts';
import type { TargetFacts } from '../portal/roles.sql.ts';
import { listOwnSettings, type PortalScope, type ScopedRole } from '../portal/scope.ts';
import type { PortalTable } from '../portal/tables.sql.ts';
import type { CopyRow } from './copies.sql.ts';

/** So many objects are named in a sentence. */
export const NAMED = 3;

/** What the findings go by. */
export interface Seen {
  target: Side;
  /** Source and target are one database. */
  isTarget: boolean;
  /** Of the source, and of the target. */
  there: TargetFacts;
  facts: TargetFacts;
  scope: PortalScope;
  catalogue: Catalogue;
  tables: readonly PortalTable[];
  large_objects: number;
  large_objects_here: number;
  /** Large objects that may not be read, one more than are named at the most. */
  closed: readonly Pick<LargeObject, 'id' | 'owner'>[];
  /** Functions of the portal that run with their owner's rights. */
  definers: number;
  looseEnds: readonly LooseEnd[];
  triggers: readonly AuthTrigger[];
  eventTriggers: readonly PortalEventTrigger[];
  /** Foreign servers that the target does not have. */
  lackingServers: readonly ForeignServer[];
  /** What the target has where the portal would be. */
  made: readonly MadeObject[];
  /** The copy that the target holds, and whether it is of this source. */
  earlier: CopyRow | undefined;
  ofThis: boolean;
  /** The copy that goes on; undefined where one begins. */
  copy: CopyRow | undefined;
}

const stop = (message: string): Finding => ({ level: 'stop', message });
const warning = (message: string): Finding => ({ level: 'warning', message });
const note = (message: string): Finding => ({ level: 'note', message });

export function copyFindings(seen: Seen): Finding[] {
  const { catalogue, copy, scope } = seen;
  return [
    ...aboutServers(seen),
    ...aboutWhatIsHere(seen),
    ...aboutLargeObjects(seen),
    ...aboutPolicies(catalogue),
    ...aboutScope(scope),
    ...aboutRoles(seen),
    ...aboutSettings(scope),
    ...aboutObjects(seen),
    ...aboutDefaults(catalogue).map(note),
    ...(copy
      ? [
          note(
            `The copy that began ${copy.started_at} goes on: tables that have not changed since are not copied again.`,
          ),
        ]
      : []),
  ];
}

function* aboutServers({ target, isTarget, there, facts }: Seen): Generator<Finding> {
  if (isTarget) {
    yield stop(`Source and target are the same database (${target.address}).`);
  }
  if (there.version > facts.version) {
    yield stop(
      `The source is PostgreSQL ${there.version} and the target ${facts.version}: definitions may not fit an older server. Copy into ${there.version} or newer.`,
    );
  }
  if (there.encoding !== facts.encoding) {
    yield stop(
      `The source is in ${there.encoding} and the target in ${facts.encoding}: make the target's database in ${there.encoding}.`,
    );
  }
  if (!facts.may_create) {
    yield stop(`Role ${facts.role} may not create schemas at the target: use the owner of the database.`);
  }
}

function* aboutWhatIsHere({ earlier, ofThis, made, large_objects, large_objects_here }: Seen): Generator<Finding> {
  if (earlier && !earlier.finished_at && !ofThis) {
    yield stop(
      `The target holds an unfinished copy of ${earlier.source_address}, begun ${earlier.started_at}: end that one, or use another database.`,
    );
  } else if (earlier?.finished_at && !ofThis) {
    yield stop(`The target holds the copy of another database (${earlier.source_address}): use another one.`);
  } else if (!earlier && made.length > 0) {
    const [first] = made;
    const others = made.length > 1 ? ` and ${made.length - 1} more` : '';
    yield stop(
      `The target is not empty: it has ${first?.type} ${first?.identity}${others}, which this command did not make. Remove what is in the way, or use an empty database.`,
    );
  }
  if (!earlier && large_objects > 0 && large_objects_here > 0) {
    yield stop(
      'The target has large objects already, whose ids could be those of the source: remove them, or use an empty database.',
    );
  }
}

/** Policies for a role that somebody dropped by force: none can be made for it. */
export function aboutPolicies({ objects }: Catalogue): Finding[] {
  const isNobody = (role: string | null) => /^unknown \(OID=\d+\)$/.test(role ?? '');
  const found = [...objects.values()].filter(
    ({ kind, facts }) => kind === 'policy' && Array.isArray(facts.roles) && facts.roles.some(isNobody),
  );
  if (found.length === 0) return [];
  const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : '';
  const list = `${found
    .slice(0, NAMED)
    .map(({ name }) => name)
    .join(', ')}${more}`;
  return [stop(`A policy is for a role that does not exist (${list}). Drop it, or give it a role, at the source.`)];
}

function* aboutLargeObjects({ there, closed }: Seen): Generator<Finding> {
  if (closed.length > 0) {
    const named = closed.slice(0, NAMED).map(({ id, owner }) => `${id} (of ${owner})`);
    const more = closed.length > NAMED ? ' and more' : '';
    yield stop(
      `Role ${there.role} may not read large objects at the source: ${named.join(', ')}${more}. As their owners: grant select on large object … to "${there.role}".`,
    );
  }
}

function* aboutScope(scope: PortalScope): Generator<Finding> {
  for (const { name, treatment, why, relations } of scope.treatments) {
    if ((name === 'gatehouse' || name === 'audit') && relations > 0) yield stop(`Schema ${name}: ${why}`);
    else if (treatment === 'decide' && relations > 0) yield warning(`Schema ${name} does not move. ${why}`);
  }
  for (const { name, treatment, why, used } of scope.extensions) {
    if (treatment === 'decide' && used > 0) yield stop(`Extension ${name}: ${why}`);
    else if (treatment !== 'made here') yield note(`Extension ${name} stays behind. ${why}`);
  }
}

function* aboutRoles({ there, facts, scope, tables, definers }: Seen): Generator<Finding> {
  const missing = scope.roles.filter(({ name, becomes }) => becomes === 'itself' && !facts.roles.includes(name));
  if (missing.length > 0 && !facts.may_create_roles) {
    const create = missing.map(({ name }) => `create role "${name}" nologin`).join('; ');
    yield stop(
      `Owners, rights or policies name roles that the target does not have, and ${facts.role} may not create any. As its administrator: ${create}.`,
    );
  }
  const moving = scope.roles.filter(({ becomes }) => becomes === 'itself');
  for (const { name } of moving) {
    if (facts.superusers.includes(name)) {
      yield stop(
        `Role ${name} is an ordinary one at the source and a superuser at the target: whoever is a member of it, and every function that belongs to it, could do anything here. Rename one of the two.`,
      );
    } else if (name.startsWith('gatehouse_')) {
      yield stop(
        `Role ${name}: gatehouse has roles of its own under such names, for its tables. Rename it at the source.`,
      );
    } else if (name === facts.role && moving.some(({ member_of }) => member_of.includes(name))) {
      yield stop(
        `Role ${name} has members at the source, and is the one of --to, which gatehouse's tables belong to: they would be theirs, too. Use another role in --to.`,
      );
    }
  }
  if (definers > 0) {
    yield warning(
      `${facts.role} is a superuser, and will own what \`postgres\` owned, which is none: ${definers === 1 ? 'a function that runs with its' : `${definers} functions that run with their`} owner's rights (security definer) could do anything on this server. To keep them in bounds, copy as an ordinary role that owns the target's database and may create roles.`,
    );
  }
  const forced = tables.filter((table) => table.forced).map(({ identity }) => identity);
  if (forced.length > 0 && there.bypasses_rls && !facts.bypasses_rls) {
    yield warning(
      `Row security holds for the owner, too, of ${forced.join(', ')}; ${facts.role} will own what \`postgres\` owned and may not pass it, as \`postgres\` may. As a superuser: alter role "${facts.role}" bypassrls.`,
    );
  }
  for (const sentence of lackingBypass(moving, facts)) yield warning(sentence);
}

function* aboutSettings(scope: PortalScope): Generator<Finding> {
  const settings = listOwnSettings(scope);
  if (settings.length > 0) {
    yield warning(
      `Settings of the portal's own do not move, for they may be secrets: ${settings.join(', ')}. Set them at the target, or functions that read them find nothing.`,
    );
  }
}

function* aboutObjects({
  facts,
  scope,
  catalogue,
  looseEnds,
  triggers,
  eventTriggers,
  lackingServers,
}: Seen): Generator<Finding> {
  for (const { kind, what, needs } of looseEnds) {
    if (kind === 'other')
      yield stop(`${what} needs ${needs}, which does not come along: change or drop it at the source.`);
    else yield warning(`The ${kind} ${what} is left out: it needs ${needs}, which does not come along.`);
  }
  for (const { name, table, calls } of triggers) {
    if (!scope.schemas.includes(calls))
      yield warning(`Trigger ${name} on ${table} is left out: it calls schema ${calls}, which stays behind.`);
  }
  const mighty = facts.superuser ? [] : [...catalogue.objects.values()].filter(isOfSuperusers);
  if (mighty.length > 0) {
    const more = mighty.length > NAMED ? ` and ${mighty.length - NAMED} more` : '';
    const names = mighty.slice(0, NAMED).map(({ kind, name }) => `${kind} ${name}`);
    yield stop(`Only a superuser may make ${names.join(', ')}${more}. Copy as one, or drop it at the source.`);
  }
  for (const { name } of eventTriggers) {
    yield warning(
      facts.superuser
        ? `Event trigger ${name} comes along: from then on its function runs with the rights of whoever changes the schema, superusers among them. Read it before.`
        : `Event trigger ${name} is left out, which only a superuser may make: make it by hand once the copy is complete.`,
    );
  }
  for (const { name, tables: far } of lackingServers) {
    const [first] = far;
    if (first === undefined) {
      yield note(`Foreign server ${name} stays behind, and with it the passwords that it signs in with.`);
    } else {
      yield stop(
        `Foreign table ${first} is on server ${name}, which the target does not have: make the server there, or drop the table.`,
      );
    }
  }
}

/** Roles that pass row security at the source, and would not at the target. */
function lackingBypass(moving: readonly ScopedRole[], facts: TargetFacts): string[] {
  const { role: me, version, roles: existing, bypassing, may_grant_bypass } = facts;
  return moving.flatMap(({ name, inherit, bypassrls }) => {
    const exists = existing.includes(name);
    if (!bypassrls || (exists ? bypassing.includes(name) : may_grant_bypass)) return [];
    return `${name} passes row security at the source, and would not here: ${me} may not grant that. As a superuser: ${remedy()}.`;

    function remedy(): string {
      if (exists) return `alter role "${name}" bypassrls`;
      if (version >= 16) return `alter role "${me}" createrole bypassrls`;
      return `create role "${name}" nologin ${inherit ? 'inherit' : 'noinherit'} bypassrls`;
    }
  });
}

/** Whoever is no superuser is refused it, in the middle of a copy. */
function isOfSuperusers({ kind, name, facts }: CatalogueObject): boolean {
  switch (kind) {
    case 'access method':
    case 'operator class':
    case 'operator family':
      return true;
    case 'type':
      return facts.form === 'base';
    case 'function':
      return facts.language === 'c' || facts.leakproof === true;
    case 'text search':
      return /^(?:parser|template) /.test(name);
    case 'cast':
      return facts.function === 'none';
    default:
      return false;
  }
}

/** Default privileges that are another at the target, where not every schema is the portal's. */
export function aboutDefaults({ objects }: Catalogue): string[] {
  const wide = [...objects.values()].filter(opensEverySchema);
  if (wide.length === 0) return [];
  const rights = ({ facts }: CatalogueObject) =>
    strings(facts.privileges).filter((right) => !right.endsWith(' with grant option'));
  const names = wide.map((object) => `${rights(object).join(', ')} ${object.name}`).join('; ');
  return [
    `Default privileges for every schema are given in the portal's schemas alone, so that nothing which gatehouse makes is open by them (${names}): give them again in a schema that is made later.`,
  ];
}

const strings = (fact: CatalogueObject['facts'][string] | undefined): string[] =>
  Array.isArray(fact) ? fact.filter((item): item is string => typeof item === 'string') : [];
