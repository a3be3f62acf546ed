/** What a copy would do and what stands in its way: both sides are looked at, and neither is changed. */
import type pg from 'pg';
import { type Catalogue, type CatalogueObject, opensEverySchema, readCatalogue } from '../catalogue/catalogue.ts';
import { listTables } from '../migrate/catalogue.sql.ts';
import type { Side } from '../migrate/failure.ts';
import type { Finding } from '../migrate/plan.ts';
import { checkSource } from '../migrate/shapes.ts';
import { listEventTriggers } from '../portal/event-triggers.sql.ts';
import { countLargeObjects, listUnreadableObjects } from '../portal/large-objects.sql.ts';
import { countDefiners, type LooseEnd, listForeignServers, listLooseEnds, listMade } from '../portal/objects.sql.ts';
import { listAuthTriggers } from '../portal/rights.sql.ts';
import { readTarget, type TargetFacts } from '../portal/roles.sql.ts';
import { listOwnSettings, type PortalScope, portalScope, type ScopedRole } from '../portal/scope.ts';
import { listPortalTables, type PortalTable } from '../portal/tables.sql.ts';
import { type CopyRow, findCopy, identityOf } from './copies.sql.ts';

/** So many objects are named in a sentence. */
const NAMED = 3;

export interface CopyPlan {
  source: Side & { version: number };
  target: Side & { version: number };
  schemas: string[];
  tables: { table: string; bytes: number }[];
  /** Of all tables, with what lies beside them. */
  bytes: number;
  large_objects: number;
  /** An earlier run did not come to its end: this one goes on. */
  resumes: boolean;
  /** When an earlier run came to its end: there is nothing to do. */
  complete_since: string | undefined;
  findings: Finding[];
}

/** The plan, and what carrying it out needs beyond that. */
export interface CopyPreparation {
  plan: CopyPlan;
  scope: PortalScope;
  /** What the portal is made of. */
  catalogue: Catalogue;
  tables: PortalTable[];
  facts: TargetFacts;
  source_identity: string;
  /** The copy that goes on; undefined where one begins. */
  copy: CopyRow | undefined;
  /** Foreign keys and triggers that need what does not come along: they are left out. */
  leftOut: LooseEnd[];
}

/** So many large objects are named in a sentence. */
const NAMED_OBJECTS = 3;

/**
 * Looks at both databases without changing either.
 *
 * @throws MigrationFailure when the source is no Supabase project, or its users cannot be read
 */
export async function prepareCopy(
  source: pg.ClientBase,
  target: pg.ClientBase,
  sides: { source: Side; target: Side },
): Promise<CopyPreparation> {
  const scope = await portalScope(source, target);
  const there = await readTarget(source);
  const facts = await readTarget(target);
  const catalogue = await readCatalogue(source, scope.schemas);
  const tables = await listPortalTables(source, scope.schemas);
  const source_identity = await identityOf(source);
  const isTarget = source_identity === (await identityOf(target));
  if (!isTarget) checkSource(sides.source, new Map((await listTables(source)).map((table) => [table.name, table])));
  const looseEnds = await listLooseEnds(source, scope.schemas, ['auth']);
  const leftOut = looseEnds.filter(({ kind }) => kind !== 'other');
  const triggers = await listAuthTriggers(source);
  const large_objects = await countLargeObjects(source);
  const closed = await listUnreadableObjects(source, NAMED_OBJECTS + 1);

  const eventTriggers = await listEventTriggers(source, scope.schemas);
  const servers = await listForeignServers(source, scope.schemas);
  const serversHere = new Set((await listForeignServers(target, scope.schemas)).map(({ name }) => name));

  const last = await findCopy(target);
  const made = await listMade(target, scope.schemas);
  // Whoever has removed what an earlier copy made begins again.
  const earlier = last?.finished_at && made.length === 0 ? undefined : last;
  const ofThis = earlier?.source_identity === source_identity;
  const copy = ofThis && !earlier?.finished_at ? earlier : undefined;

  const findings: Finding[] = [];
  const stop = (message: string) => findings.push({ level: 'stop', message });
  const warning = (message: string) => findings.push({ level: 'warning', message });
  const note = (message: string) => findings.push({ level: 'note', message });

  if (isTarget) {
    stop(`Source and target are the same database (${sides.target.address}).`);
  }
  if (there.version > facts.version) {
    stop(
      `The source is PostgreSQL ${there.version} and the target ${facts.version}: definitions may not fit an older server. Copy into ${there.version} or newer.`,
    );
  }
  if (there.encoding !== facts.encoding) {
    stop(
      `The source is in ${there.encoding} and the target in ${facts.encoding}: make the target's database in ${there.encoding}.`,
    );
  }
  if (!facts.may_create) {
    stop(`Role ${facts.role} may not create schemas at the target: use the owner of the database.`);
  }
  if (earlier && !earlier.finished_at && !ofThis) {
    stop(
      `The target holds an unfinished copy of ${earlier.source_address}, begun ${earlier.started_at}: end that one, or use another database.`,
    );
  } else if (earlier?.finished_at && !ofThis) {
    stop(`The target holds the copy of another database (${earlier.source_address}): use another one.`);
  } else if (!earlier && made.length > 0) {
    const [first] = made;
    const others = made.length > 1 ? ` and ${made.length - 1} more` : '';
    stop(
      `The target is not empty: it has ${first?.type} ${first?.identity}${others}, which this command did not make. Remove what is in the way, or use an empty database.`,
    );
  }
  if (!earlier && large_objects > 0 && (await countLargeObjects(target)) > 0) {
    stop(
      'The target has large objects already, whose ids could be those of the source: remove them, or use an empty database.',
    );
  }
  if (closed.length > 0) {
    const named = closed.slice(0, NAMED_OBJECTS).map(({ id, owner }) => `${id} (of ${owner})`);
    const more = closed.length > NAMED_OBJECTS ? ' and more' : '';
    stop(
      `Role ${there.role} may not read large objects at the source: ${named.join(', ')}${more}. As their owners: grant select on large object … to "${there.role}".`,
    );
  }
  for (const { name, treatment, why, relations } of scope.treatments) {
    if ((name === 'gatehouse' || name === 'audit') && relations > 0) stop(`Schema ${name}: ${why}`);
    else if (treatment === 'decide' && relations > 0) warning(`Schema ${name} does not move. ${why}`);
  }
  for (const { name, treatment, why, used } of scope.extensions) {
    if (treatment === 'decide' && used > 0) stop(`Extension ${name}: ${why}`);
    else if (treatment !== 'made here') note(`Extension ${name} stays behind. ${why}`);
  }
  const missing = scope.roles.filter(({ name, becomes }) => becomes === 'itself' && !facts.roles.includes(name));
  if (missing.length > 0 && !facts.may_create_roles) {
    const create = missing.map(({ name }) => `create role "${name}" nologin`).join('; ');
    stop(
      `Owners, rights or policies name roles that the target does not have, and ${facts.role} may not create any. As its administrator: ${create}.`,
    );
  }
  const moving = scope.roles.filter(({ becomes }) => becomes === 'itself');
  for (const { name } of moving) {
    if (facts.superusers.includes(name)) {
      stop(
        `Role ${name} is an ordinary one at the source and a superuser at the target: whoever is a member of it, and every function that belongs to it, could do anything here. Rename one of the two.`,
      );
    } else if (name.startsWith('gatehouse_')) {
      stop(`Role ${name}: gatehouse has roles of its own under such names, for its tables. Rename it at the source.`);
    } else if (name === facts.role && moving.some(({ member_of }) => member_of.includes(name))) {
      stop(
        `Role ${name} has members at the source, and is the one of --to, which gatehouse's tables belong to: they would be theirs, too. Use another role in --to.`,
      );
    }
  }
  const definers = facts.superuser ? await countDefiners(source, scope.schemas) : 0;
  if (definers > 0) {
    warning(
      `${facts.role} is a superuser, and will own what \`postgres\` owned, which is none: ${definers === 1 ? 'a function that runs with its' : `${definers} functions that run with their`} owner's rights (security definer) could do anything on this server. To keep them in bounds, copy as an ordinary role that owns the target's database and may create roles.`,
    );
  }
  const forced = tables.filter((table) => table.forced).map(({ identity }) => identity);
  if (forced.length > 0 && there.bypasses_rls && !facts.bypasses_rls) {
    warning(
      `Row security holds for the owner, too, of ${forced.join(', ')}; ${facts.role} will own what \`postgres\` owned and may not pass it, as \`postgres\` may. As a superuser: alter role "${facts.role}" bypassrls.`,
    );
  }
  for (const sentence of lackingBypass(moving, facts)) warning(sentence);
  const settings = listOwnSettings(scope);
  if (settings.length > 0) {
    warning(
      `Settings of the portal's own do not move, for they may be secrets: ${settings.join(', ')}. Set them at the target, or functions that read them find nothing.`,
    );
  }
  for (const { kind, what, needs } of looseEnds) {
    if (kind === 'other') stop(`${what} needs ${needs}, which does not come along: change or drop it at the source.`);
    else warning(`The ${kind} ${what} is left out: it needs ${needs}, which does not come along.`);
  }
  for (const { name, table, calls } of triggers) {
    if (!scope.schemas.includes(calls))
      warning(`Trigger ${name} on ${table} is left out: it calls schema ${calls}, which stays behind.`);
  }
  const mighty = facts.superuser ? [] : [...catalogue.objects.values()].filter(isOfSuperusers);
  if (mighty.length > 0) {
    const more = mighty.length > NAMED ? ` and ${mighty.length - NAMED} more` : '';
    const names = mighty.slice(0, NAMED).map(({ kind, name }) => `${kind} ${name}`);
    stop(`Only a superuser may make ${names.join(', ')}${more}. Copy as one, or drop it at the source.`);
  }
  for (const { name } of eventTriggers) {
    warning(
      facts.superuser
        ? `Event trigger ${name} comes along: from then on its function runs with the rights of whoever changes the schema, superusers among them. Read it before.`
        : `Event trigger ${name} is left out, which only a superuser may make: make it by hand once the copy is complete.`,
    );
  }
  for (const { name, tables: far } of servers.filter((server) => !serversHere.has(server.name))) {
    const [first] = far;
    if (first === undefined) {
      note(`Foreign server ${name} stays behind, and with it the passwords that it signs in with.`);
    } else {
      stop(
        `Foreign table ${first} is on server ${name}, which the target does not have: make the server there, or drop the table.`,
      );
    }
  }
  for (const sentence of aboutDefaults(catalogue)) note(sentence);
  if (copy)
    note(`The copy that began ${copy.started_at} goes on: tables that have not changed since are not copied again.`);

  const complete_since = ofThis ? (earlier?.finished_at ?? undefined) : undefined;
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const plan: CopyPlan = {
    source: { ...sides.source, version: there.version },
    target: { ...sides.target, version: facts.version },
    schemas: scope.schemas,
    tables: tables.map((table) => ({ table: table.identity, bytes: table.bytes })),
    bytes,
    large_objects,
    resumes: copy !== undefined,
    complete_since,
    findings,
  };
  return { plan, scope, catalogue, tables, facts, source_identity, copy, leftOut };
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
