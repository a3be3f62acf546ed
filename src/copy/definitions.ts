/** Everything that is not rows: made before them where rows need it, after them where it would only slow them down. */
import pg from 'pg';
import { MigrationFailure } from '../migrate/failure.ts';
import { pinSettings } from '../migrate/source.sql.ts';
import { listEventTriggers } from '../portal/event-triggers.sql.ts';
import { commentOnMultiranges, listMultirangeComments } from '../portal/multiranges.sql.ts';
import {
  type Address,
  dropPublications,
  inQuotes,
  listKeys,
  listPublications,
  makeSchemas,
  nameObjects,
} from '../portal/objects.sql.ts';
import {
  addGrants,
  type Grant,
  giveToOwners,
  listAuthTriggers,
  listDefaultPrivileges,
  listGrants,
  listOwned,
  listPolicies,
  makeAuthTriggers,
  makePolicies,
  setDefaultPrivileges,
  setGrants,
} from '../portal/rights.sql.ts';
import { makeExtension, makeRoles, setDatabaseSettings } from '../portal/roles.sql.ts';
import { namesOf, type ScopedExtension } from '../portal/scope.ts';
import { listPopulatedViews, readSequences, refreshView, setSequences } from '../portal/tables.sql.ts';
import type { Entry } from './archive.ts';
import { recordStep } from './copies.sql.ts';
import type { Copying } from './copy.ts';
import { askingCopy } from './failure.ts';

/** What is made otherwise, or not at all: schemas and extensions before, rights and policies after. */
const ELSEWHERE =
  /^(?:ACL|DEFAULT ACL|SCHEMA|EXTENSION|COMMENT - EXTENSION|POLICY|COMMENT \S+ POLICY|EVENT TRIGGER|PUBLICATION|DATABASE|FOREIGN DATA WRAPPER|SERVER|USER MAPPING|PROCEDURAL LANGUAGE|COMMENT - (?:EVENT TRIGGER|PUBLICATION|FOREIGN DATA WRAPPER|SERVER|LANGUAGE))\b/;
/** What takes long, and can be made several at once. */
const KEYS = /^(?:CONSTRAINT|CHECK CONSTRAINT|FK CONSTRAINT|INDEX|INDEX ATTACH) /;

/** Roles, schemas, extensions, and in one transaction with them the portal's types, functions, tables and views. */
export async function makeDefinitions(copying: Copying, target: pg.Client): Promise<void> {
  const { scope, facts, archive, steps, sides, copy_id, clock, notes } = copying;
  await askingCopy(sides.target, async () => {
    notes.push(...(await makeRoles(target, scope.roles, facts)));
    if (steps.has('definitions')) return;
    const early = archive.entries.filter(({ when, title }) => when === 'before the rows' && !ELSEWHERE.test(title));
    const sql = await archive.sqlOf(early);
    await target.query('begin');
    const extensions = scope.extensions.filter(({ treatment }) => treatment === 'made here');
    await makeSchemas(target, [...new Set([...scope.schemas, ...extensions.map(({ schema }) => schema)])]);
    for (const extension of extensions) notes.push(...(await tryExtension(target, extension)));
    await target.query(sql);
    await recordStep(target, { id: copy_id, step: 'definitions', details: {}, at: clock() });
    await target.query('commit');
    // The dump's SQL has settings of its own.
    await pinSettings(target, 'session');
  });
}

/** An extension that nothing is made of may be missing in the end; one that something needs may not. */
async function tryExtension(target: pg.ClientBase, extension: ScopedExtension): Promise<string[]> {
  await target.query('savepoint extension');
  try {
    await makeExtension(target, extension);
    return [];
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const why = `Extension ${extension.name} cannot be made at the target: ${error.message}.`;
    if (extension.used > 0) throw new MigrationFailure('target', `${why} Have a superuser make it, then run again.`);
    await target.query('rollback to savepoint extension');
    return [why];
  }
}

/** Primary keys, indexes, checks and foreign keys, as valid as they are at the source; those that are there stay. */
export async function makeKeys(copying: Copying, target: pg.Client): Promise<void> {
  const { archive, steps, scope, leftOut, holder, configs, jobs, signal, sides, copy_id, clock } = copying;
  if (steps.has('keys')) return;
  const left = addressesOf(leftOut);
  const keys = archive.entries.filter(
    (entry) => entry.when === 'after the rows' && KEYS.test(entry.title) && !left.has(addressOf(entry)),
  );
  const names = await quotedFrom(copying, () => nameObjects(holder, keys));
  await askingCopy(sides.target, async () => {
    await recordStep(target, { id: copy_id, step: 'keys begun', details: {}, at: clock() });
    const there = await inQuotes(target, () => listKeys(target, scope.schemas));
    const missing = keys.filter((_, n) => !there.has(names[n] ?? ''));
    await archive.restore(missing, configs.target, jobs, signal);
    await recordStep(target, { id: copy_id, step: 'keys', details: { made: missing.length }, at: clock() });
  });
}

/**
 * What acts on rows and who may do what, in one transaction: row security, policies, triggers (also those on schema auth),
 * owners, rights, how far sequences are. Resolves to the number of sequences.
 */
export async function finishDefinitions(copying: Copying, target: pg.Client): Promise<number> {
  const { steps, scope, holder, substitute, facts, sides, copy_id, clock, notes } = copying;
  const { schemas } = scope;
  const sequences = await quotedFrom(copying, () => readSequences(holder, schemas));
  if (steps.has('rights')) {
    await askingCopy(sides.target, () => setSequences(target, sequences));
    return sequences.length;
  }

  const there = await quotedFrom(copying, () => readEffects(copying));
  notes.push(...copying.aboutDefaults);
  const permitted = whatMayBeMade(copying, there);
  const { things, comments, watchers } = await lateScripts(copying, permitted);
  await askingCopy(sides.target, async () => {
    for (const view of there.views) await refreshView(target, view);
    await target.query('begin');
    await dropPublications(
      target,
      permitted.publications.map(({ name }) => name),
    );
    await target.query(things);
    await giveToOwners(
      target,
      there.owned.filter(({ schema }) => schemas.includes(schema)),
    );
    await makePolicies(target, there.policies, substitute);
    await makeAuthTriggers(target, there.authTriggers);
    await target.query(comments);
    await commentOnMultiranges(target, there.multirangeComments);
    await inQuotes(target, () => setGrants(target, schemas, there.grants, substitute));
    await addGrants(target, there.grantsBeside, substitute);
    await setDefaultPrivileges(target, there.defaults, schemas, substitute);
    await setSequences(target, sequences);
    if (facts.owns_database) await setDatabaseSettings(target, scope.database_settings);
    else if (scope.database_settings.length > 0) {
      notes.push(
        `Settings of the database are left out, which only its owner may set: ${namesOf(scope.database_settings).join(', ')}.`,
      );
    }
    // Last of all: they would watch everything that is made after them.
    await target.query(watchers);
    await recordStep(target, { id: copy_id, step: 'rights', details: {}, at: clock() });
    await target.query('commit');
    await pinSettings(target, 'session');
  });
  return sequences.length;
}

/** Asks the source for names as SQL has to spell them. */
function quotedFrom<T>({ holder, sides }: Copying, ask: () => Promise<T>): Promise<T> {
  return askingCopy(sides.source, () => inQuotes(holder, ask));
}

/** What of the source acts on rows, and who owns and may what there. */
async function readEffects({ scope, holder }: Copying) {
  const { schemas } = scope;
  const carried = new Set(scope.roles.filter(({ becomes }) => becomes === 'itself').map(({ name }) => name));
  const extensionSchemas = scope.extensions
    .filter(
      ({ treatment, schema }) => treatment === 'made here' && !schemas.includes(schema) && !schema.startsWith('pg_'),
    )
    .map(({ schema }) => schema);
  const beside = ['auth', ...new Set(extensionSchemas)];
  return {
    views: await listPopulatedViews(holder, schemas),
    publications: await listPublications(holder),
    eventTriggers: await listEventTriggers(holder, schemas),
    owned: await listOwned(holder, schemas, [...carried]),
    // On tables of schema auth the portal's policies are few, and Supabase's are none.
    policies: await listPolicies(holder, [...schemas, 'auth']),
    authTriggers: (await listAuthTriggers(holder)).filter(({ calls }) => schemas.includes(calls)),
    grants: await listGrants(holder, schemas),
    grantsBeside: (await listGrants(holder, beside)).filter(({ grantee }) => carried.has(grantee)).map(withoutMaking),
    defaults: await listDefaultPrivileges(holder, schemas),
    multirangeComments: await listMultirangeComments(holder, schemas),
  };
}

type Effects = Awaited<ReturnType<typeof readEffects>>;
type Watching = Pick<Effects, 'publications' | 'eventTriggers'>;

/** What the target's role may make of what a superuser makes; the rest is noted. */
function whatMayBeMade({ facts, notes }: Copying, { publications, eventTriggers }: Effects): Watching {
  if (facts.superuser) return { publications, eventTriggers };
  for (const { name } of publications.filter(({ all_tables }) => all_tables)) {
    notes.push(`Publication ${name} is of all tables, which only a superuser may publish: make it by hand.`);
  }
  if (eventTriggers.length > 0) {
    const names = eventTriggers.map(({ name }) => name).join(', ');
    notes.push(`Event triggers are left out, which only a superuser may make: ${names}.`);
  }
  return { publications: publications.filter(({ all_tables }) => !all_tables), eventTriggers: [] };
}

/** The dump's SQL of what comes after the rows and the keys: things, comments on them, and what watches them being made. */
async function lateScripts({ archive, leftOut }: Copying, { publications, eventTriggers }: Watching) {
  const left = addressesOf(leftOut);
  const published = addressesOf(publications.flatMap(({ addresses }) => addresses));
  const late = archive.entries.filter(
    (entry) =>
      entry.when === 'after the rows' &&
      !KEYS.test(entry.title) &&
      !left.has(addressOf(entry)) &&
      (!ELSEWHERE.test(entry.title) || published.has(addressOf(entry))),
  );
  const isComment = ({ title }: Entry) => title.startsWith('COMMENT ');
  // A comment has no address: it is known by the name of what it is on.
  const commentsOn = (kind: string, named: readonly { name: string }[]) => {
    const titles = named.map(({ name }) => `COMMENT - ${kind} ${pg.escapeIdentifier(name)} `);
    return archive.entries.filter(({ title }) => titles.some((start) => title.startsWith(start)));
  };
  const watching = addressesOf(eventTriggers);
  const watchers = archive.entries.filter(
    (entry) => entry.title.startsWith('EVENT TRIGGER ') && watching.has(addressOf(entry)),
  );
  return {
    things: await archive.sqlOf(late.filter((entry) => !isComment(entry))),
    comments: await archive.sqlOf([...late.filter(isComment), ...commentsOn('PUBLICATION', publications)]),
    watchers: await archive.sqlOf([...watchers, ...commentsOn('EVENT TRIGGER', eventTriggers)]),
  };
}

/** Schema auth is gatehouse's: who could make functions in it could have them called by its statements. */
function withoutMaking(grant: Grant): Grant {
  if (grant.kind !== 'schema' || grant.schema !== 'auth') return grant;
  return { ...grant, privileges: grant.privileges.filter((privilege) => privilege !== 'CREATE') };
}

const addressOf = ({ classid, objid }: Address) => `${classid} ${objid}`;
const addressesOf = (list: readonly Address[]) => new Set(list.map(addressOf));
