/** Which kinds of object tell of what PostgreSQL keeps in each of its own tables, and what none tells of. */
import type { Kind } from './kinds.ts';

/** Something of a database that is not compared, and why. */
export interface Untold {
  what: string;
  why: string;
}

const place: Untold = { what: 'tablespaces', why: "where a server keeps its files is that server's own" };
const subscriptions: Untold = {
  what: 'subscriptions',
  why: 'they sign in somewhere with a password, and two that follow one publication take from each other',
};
const shared: Untold = {
  what: 'comments and security labels of roles and of the database',
  why: 'they are of the server, which others share',
};
const settings: Untold = {
  what: 'rights on the database itself and on settings of the server',
  why: "who may connect and change settings is for the target's administrator to say",
};
const ofExtensions: Untold = {
  what: 'comments of extensions, and rights on and comments of what they made',
  why: 'each extension makes its own where it is installed',
};

/** No object, but how the others hang together, what the planner knows, or rows. */
const nothing: readonly Kind[] = [];

const relations = ['table', 'view', 'materialized view', 'sequence', 'index', 'column', 'type'] as const;

/** Of PostgreSQL 15 to 18. */
export const catalogues: Readonly<Record<string, readonly Kind[] | Untold>> = {
  pg_aggregate: ['function'],
  pg_am: ['access method'],
  pg_amop: ['operator class', 'operator family'],
  pg_amproc: ['operator class', 'operator family'],
  pg_attrdef: ['column'],
  pg_attribute: ['column', 'type', 'index'],
  pg_auth_members: ['role'],
  pg_authid: ['role'],
  pg_cast: ['cast'],
  pg_class: relations,
  pg_collation: ['collation'],
  pg_constraint: ['constraint', 'type', 'column'],
  pg_conversion: ['conversion'],
  pg_database: settings,
  pg_db_role_setting: ['database', 'role'],
  pg_default_acl: ['default privilege'],
  pg_depend: nothing,
  pg_description: nothing,
  pg_enum: ['type'],
  pg_event_trigger: ['event trigger'],
  pg_extension: ['extension'],
  pg_foreign_data_wrapper: ['foreign data wrapper'],
  pg_foreign_server: ['foreign server'],
  pg_foreign_table: ['table'],
  pg_index: ['index', 'constraint'],
  pg_inherits: ['table', 'index'],
  pg_init_privs: ofExtensions,
  pg_language: ['language'],
  pg_largeobject: nothing,
  pg_largeobject_metadata: ['large objects'],
  pg_namespace: ['schema'],
  pg_opclass: ['operator class'],
  pg_operator: ['operator'],
  pg_opfamily: ['operator family'],
  pg_parameter_acl: settings,
  pg_partitioned_table: ['table'],
  pg_policy: ['policy'],
  pg_proc: ['function'],
  pg_publication: ['publication'],
  pg_publication_namespace: ['publication'],
  pg_publication_rel: ['publication'],
  pg_range: ['type'],
  pg_replication_origin: subscriptions,
  pg_rewrite: ['rule', 'view', 'materialized view'],
  pg_seclabel: ['security label'],
  pg_sequence: ['sequence'],
  pg_shdepend: nothing,
  pg_shdescription: shared,
  pg_shseclabel: shared,
  pg_statistic: nothing,
  pg_statistic_ext: ['statistics'],
  pg_statistic_ext_data: nothing,
  pg_subscription: subscriptions,
  pg_subscription_rel: subscriptions,
  pg_tablespace: place,
  pg_transform: ['transform'],
  pg_trigger: ['trigger'],
  pg_ts_config: ['text search'],
  pg_ts_config_map: ['text search'],
  pg_ts_dict: ['text search'],
  pg_ts_parser: ['text search'],
  pg_ts_template: ['text search'],
  pg_type: ['type'],
  pg_user_mapping: ['user mapping'],
};

/** What no comparison of two catalogues says anything about. */
export const untold: readonly Untold[] = [
  ...new Set(Object.values(catalogues).filter((told): told is Untold => !Array.isArray(told))),
  { what: 'event triggers that call functions of other schemas', why: "they are Supabase's own, or of an extension" },
  {
    what: 'options of user mappings',
    why: 'they hold passwords, which nobody but their owner is told: whether there is one is compared',
  },
];
