/** What a copy would do and what stands in its way: both sides are looked at, and neither is changed. */
import type pg from 'pg';
import { type Catalogue, readCatalogue } from '../catalogue/catalogue.ts';
import { listTables } from '../migrate/catalogue.sql.ts';
import type { Side } from '../migrate/failure.ts';
import type { Finding } from '../migrate/plan.ts';
import { checkSource } from '../migrate/shapes.ts';
import { listEventTriggers } from '../portal/event-triggers.sql.ts';
import { countLargeObjects, listUnreadableObjects } from '../portal/large-objects.sql.ts';
import { countDefiners, type LooseEnd, listForeignServers, listLooseEnds, listMade } from '../portal/objects.sql.ts';
import { listAuthTriggers } from '../portal/rights.sql.ts';
import { readTarget, type TargetFacts } from '../portal/roles.sql.ts';
import { type PortalScope, portalScope } from '../portal/scope.ts';
import { listPortalTables, type PortalTable } from '../portal/tables.sql.ts';
import { type CopyRow, findCopy, identityOf } from './copies.sql.ts';
import { copyFindings, NAMED } from './findings.ts';

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
  const large_objects = await countLargeObjects(source);
  const servers = await listForeignServers(source, scope.schemas);
  const serversHere = new Set((await listForeignServers(target, scope.schemas)).map(({ name }) => name));

  const last = await findCopy(target);
  const made = await listMade(target, scope.schemas);
  // Whoever has removed what an earlier copy made begins again.
  const earlier = last?.finished_at && made.length === 0 ? undefined : last;
  const ofThis = earlier?.source_identity === source_identity;
  const copy = ofThis && !earlier?.finished_at ? earlier : undefined;

  const findings = copyFindings({
    target: sides.target,
    isTarget,
    there,
    facts,
    scope,
    catalogue,
    tables,
    large_objects,
    large_objects_here: large_objects > 0 ? await countLargeObjects(target) : 0,
    closed: await listUnreadableObjects(source, NAMED + 1),
    definers: facts.superuser ? await countDefiners(source, scope.schemas) : 0,
    looseEnds,
    triggers: await listAuthTriggers(source),
    eventTriggers: await listEventTriggers(source, scope.schemas),
    lackingServers: servers.filter(({ name }) => !serversHere.has(name)),
    made,
    earlier,
    ofThis,
    copy,
  });
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
