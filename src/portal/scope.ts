/**
 * What of a Supabase database is the portal's and what is Supabase's own, and what becomes of each: the one list that
 * planning, copying, verifying and reporting go by. Nothing is passed over in silence: every schema, extension and role that
 * the database has is in here once, with its treatment and the reason.
 */
import type pg from 'pg';
import {
  type AvailableExtension,
  type ExtensionFacts,
  listAvailableExtensions,
  listDatabaseSettings,
  listExtensions,
  listRoles,
  listSchemas,
  type RoleFacts,
  type SchemaFacts,
} from './scope.sql.ts';

/**
 * `moves`: as it is, with all that it holds. `made here`: gatehouse or the target's PostgreSQL has it or makes it anew.
 * `stays`: it is of no use without Supabase. `decide`: only the operator can say what becomes of it.
 */
export type Treatment = 'moves' | 'made here' | 'stays' | 'decide';

interface Stated {
  treatment: Treatment;
  /** A sentence for the operator. */
  why: string;
}

export interface ScopedSchema extends SchemaFacts, Stated {}

export interface ScopedExtension extends ExtensionFacts, Stated {
  /** What the target has or would install; undefined where it does not have the extension, or where no target was asked. */
  target_version: string | undefined;
  /** Objects in schemas that move which are made of it. */
  used: number;
}

export interface ScopedRole extends Omit<RoleFacts, 'superuser'>, Stated {
  /**
   * `itself`: a role of that name at the target, made NOLOGIN and without password where it is missing. `owner`: whoever the
   * copy connects as at the target takes its place, as owner and in grants. `nobody`: nothing that moves names it.
   */
  becomes: 'itself' | 'owner' | 'nobody';
}

export interface PortalScope {
  /** Schemas that move whole, in order: the portal's own, and those of Supabase whose treatment is `moves`. */
  schemas: string[];
  /** Every schema of the database, the portal's own among them. */
  treatments: ScopedSchema[];
  extensions: ScopedExtension[];
  roles: ScopedRole[];
  /** The portal's SQL may count on these (`search_path`): `name=value`. */
  database_settings: string[];
}

/** Schemas that Supabase makes or that are reserved here. Whatever is not in this list is the portal's, and moves. */
export const knownSchemas: Readonly<Record<string, Stated>> = {
  auth: {
    treatment: 'made here',
    why: 'gatehouse has these tables and functions; their rows are carried, and the triggers and policies that the portal hung on them move.',
  },
  storage: {
    treatment: 'moves',
    why: 'Policies and foreign keys of the portal point at it, and it says which file is whose. The files themselves are not in PostgreSQL: copy the buckets.',
  },
  supabase_migrations: { treatment: 'moves', why: "It is the history of the portal's own schema changes." },
  extensions: {
    treatment: 'made here',
    why: 'The extensions that the target has are installed in a schema of the same name, so that calls keep finding them.',
  },
  realtime: {
    treatment: 'stays',
    why: 'It holds who listens at this moment; without the Realtime service nobody reads it.',
  },
  _realtime: { treatment: 'stays', why: "It is the Realtime service's own bookkeeping." },
  _analytics: { treatment: 'stays', why: "It is the log service's own bookkeeping." },
  _supavisor: { treatment: 'stays', why: "It is the pooler's own bookkeeping." },
  graphql: { treatment: 'stays', why: 'It is what pg_graphql makes of the other schemas.' },
  graphql_public: {
    treatment: 'stays',
    why: 'It is the door to pg_graphql: clients that ask GraphQL need another way.',
  },
  vault: {
    treatment: 'decide',
    why: 'Its secrets are encrypted under a key that Supabase keeps: read vault.decrypted_secrets and put them into a secret store of yours.',
  },
  pgsodium: { treatment: 'stays', why: 'Its keys hang on a root key that Supabase keeps.' },
  pgsodium_masks: { treatment: 'stays', why: 'It is made of pgsodium.' },
  pgbouncer: { treatment: 'stays', why: "It lets Supabase's pooler look up passwords." },
  cron: {
    treatment: 'decide',
    why: 'Its jobs run inside PostgreSQL through pg_cron: schedule them again, with pg_cron or with the timers of the machine.',
  },
  net: {
    treatment: 'stays',
    why: 'It is the queue of pg_net: what sends requests out of the database needs another way.',
  },
  supabase_functions: {
    treatment: 'stays',
    why: 'It calls webhooks through pg_net: triggers that use it need another way.',
  },
  pgmq: { treatment: 'decide', why: 'Its queues belong to the extension pgmq: drain them, or install pgmq.' },
  pgmq_public: { treatment: 'decide', why: 'It is the API of pgmq.' },
  etl: { treatment: 'stays', why: "It is the bookkeeping of Supabase's replication." },
  gatehouse: {
    treatment: 'decide',
    why: 'gatehouse keeps its own tables under this name: rename the schema at the source.',
  },
  audit: {
    treatment: 'decide',
    why: 'gatehouse keeps its audit log under this name: rename the schema at the source.',
  },
};

/** Extensions of the platform, that only work with another part of Supabase. */
const platformExtensions: Readonly<Record<string, string>> = {
  pg_graphql: "It is Supabase's GraphQL API.",
  pg_net: "It sends requests out of the database, for Supabase's webhooks.",
  pgsodium: 'Its root key is kept by Supabase.',
  supabase_vault: 'Its key is kept by Supabase.',
  wrappers: 'Its foreign servers hold credentials in Supabase Vault.',
};

/** The project's own administrators. The target has one of its own, under whatever name. */
const administrators = new Set(['postgres', 'supabase_admin']);

/** Roles that tokens name, and what PostgREST signs in as: there whether or not anything is granted to them. */
const apiRoles = new Set(['anon', 'authenticated', 'service_role', 'authenticator']);

/**
 * Reads what the database has and states what becomes of it. Nothing is changed.
 *
 * @param target Asked which extensions it has; without it none is known to be there.
 */
export async function portalScope(source: pg.ClientBase, target?: pg.ClientBase): Promise<PortalScope> {
  const treatments = (await listSchemas(source)).map(scopeSchema);
  const schemas = treatments.filter(({ treatment }) => treatment === 'moves').map(({ name }) => name);
  const available = target && (await listAvailableExtensions(target));
  return {
    schemas,
    treatments,
    extensions: (await listExtensions(source)).map((facts) => scopeExtension(facts, schemas, available)),
    roles: scopeRoles(await listRoles(source, schemas)),
    database_settings: await listDatabaseSettings(source),
  };
}

/** The names of settings, without their values: the portal's own may be secrets. */
export const namesOf = (settings: readonly string[]) => settings.map((setting) => setting.replace(/=.*$/s, ''));

/** Settings that only the portal knows (`app.tenant`), of the database and of roles that move: none of them comes along. */
export function listOwnSettings({ database_settings, roles }: PortalScope): string[] {
  const own = (settings: readonly string[]) => namesOf(settings).filter((name) => name.includes('.'));
  const moving = roles.filter(({ becomes }) => becomes === 'itself');
  return [
    ...own(database_settings).map((name) => `${name} of the database`),
    ...moving.flatMap(({ name: role, settings }) => own(settings).map((name) => `${name} of role ${role}`)),
  ];
}

function scopeSchema(facts: SchemaFacts): ScopedSchema {
  const known = Object.hasOwn(knownSchemas, facts.name) ? knownSchemas[facts.name] : undefined;
  if (known) return { ...facts, ...known };
  if (facts.extension) {
    return { ...facts, treatment: 'made here', why: `Extension ${facts.extension} makes it where it is installed.` };
  }
  return { ...facts, treatment: 'moves', why: "It is the portal's." };
}

function scopeExtension(
  facts: ExtensionFacts,
  schemas: readonly string[],
  available: ReadonlyMap<string, AvailableExtension> | undefined,
): ScopedExtension {
  const used = schemas.reduce((sum, schema) => sum + (facts.dependents[schema] ?? 0), 0);
  const there = available?.get(facts.name);
  return { ...facts, used, target_version: there?.version, ...stated() };

  function stated(): Stated {
    if (there?.installable) return { treatment: 'made here', why: 'The target has it.' };
    const lacks = whatIsLacking();
    if (used === 0) return { treatment: 'stays', why: `${lacks} No column, default or index of the portal needs it.` };
    return {
      treatment: 'decide',
      why: `${lacks} ${used} ${used === 1 ? 'object' : 'objects'} of the portal are made of it: install it at the target, or change them.`,
    };
  }

  function whatIsLacking(): string {
    if (there) return 'Only a superuser may install it at the target.';
    const platform = Object.hasOwn(platformExtensions, facts.name) ? platformExtensions[facts.name] : undefined;
    return platform ?? (available ? 'The target does not have it.' : 'No target was asked whether it has it.');
  }
}

function scopeRoles(roles: readonly RoleFacts[]): ScopedRole[] {
  const needed = neededRoles(roles);
  return roles.map(({ superuser, ...role }) => {
    // What belongs to the superuser that a cluster was made with is recorded nowhere.
    if (administrators.has(role.name) || superuser) {
      const why = 'It runs the project: whoever the copy connects as takes its place.';
      return { ...role, becomes: 'owner', treatment: 'made here', why };
    }
    if (!needed.has(role.name)) {
      return { ...role, becomes: 'nobody', treatment: 'stays', why: 'Nothing that moves names it.' };
    }
    const password = role.login ? ' It could sign in there: give it a password here if it shall again.' : '';
    const why = `It exists here under its name, and cannot sign in.${password}`;
    return { ...role, becomes: 'itself', treatment: 'made here', why };
  });
}

/** Those that something names, those that tokens name, and whoever has rights through one of them or gives it some. */
function neededRoles(roles: readonly RoleFacts[]): Set<string> {
  const ordinary = roles.filter(({ name, superuser }) => !administrators.has(name) && !superuser);
  const byName = new Map(ordinary.map((role) => [role.name, role]));
  const needed = new Set(ordinary.filter(({ name, named }) => named || apiRoles.has(name)).map(({ name }) => name));
  for (const name of needed) {
    for (const group of byName.get(name)?.member_of ?? []) if (byName.has(group)) needed.add(group);
  }
  const custom = ordinary.filter(({ name }) => !/^(?:supabase_|pgbouncer$|dashboard_user$)/.test(name));
  for (const { name, member_of } of custom) if (member_of.some((group) => needed.has(group))) needed.add(name);
  return needed;
}
