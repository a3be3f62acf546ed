/**
 * The kinds of object that a database is made of, and for each of their facts what it is called when two databases
 * disagree. A fact that is not in here is read for its own sake and not compared.
 */

/**
 * What can have become of a database on its way: names, with the number under which the migration research lists them (§3.4).
 * Those without a number are not in that list, and are found all the same. 1 to 11 are about rows.
 */
export const driftNumbers = {
  'missing column': 12,
  'column type changed': 13,
  'default lost': 14,
  'NOT NULL lost': 15,
  'CHECK lost': 16,
  'foreign key missing or not valid': 17,
  'index missing or invalid': 18,
  'unique predicate lost': 19,
  'policy lost': 20,
  'policy changed': 21,
  'row level security off': 22,
  'trigger missing': 23,
  'trigger disabled': 24,
  'function changed': 25,
  'security_invoker lost': 26,
  'grant lost': 27,
  'grant too wide': 28,
  'default privilege lost': 29,
  'owner wrong': 30,
  'generated column turned plain': 31,
  'identity turned plain': 32,
  'partition detached': 33,
  'materialized view not populated': 34,
  'publication or extension missing': 35,
  'comment lost': 36,
  'object missing': undefined,
  'object added': undefined,
  'table changed': undefined,
  'column changed': undefined,
  'constraint changed': undefined,
  'index changed': undefined,
  'policy added': undefined,
  'trigger changed': undefined,
  'view changed': undefined,
  'type changed': undefined,
  'sequence changed': undefined,
  'default privilege too wide': undefined,
  'role changed': undefined,
  'object changed': undefined,
} as const;

export type DriftName = keyof typeof driftNumbers;

export interface ComparedFact {
  drift: DriftName;
  /** What the fact is, in a sentence. */
  words: string;
  /**
   * How two values are compared. `sql`: as PostgreSQL's print of an expression, whose quoting differs between majors.
   * `view`: as a whole query, whose qualifying of columns does too. `roles`: as roles, that may have another name at the
   * target. `privileges`: as a set, of which each may be lost or added. `majors`: only between servers of one major.
   * `order`: as a sequence, of which one side may lack some. `secrets`: as options with hashes in place of their values, of
   * which names alone are shown. `locale`: as names of a locale, which majors spell in their own way. `both`: where each side
   * has one.
   */
  as?: 'sql' | 'view' | 'roles' | 'privileges' | 'majors' | 'order' | 'secrets' | 'both' | 'locale';
}

interface KindOfObject {
  /** How many of it are called. */
  plural: string;
  missing: DriftName;
  added: DriftName;
  facts: Readonly<Record<string, ComparedFact>>;
}

const owner: ComparedFact = { drift: 'owner wrong', words: 'owner', as: 'roles' };
const comment: ComparedFact = { drift: 'comment lost', words: 'comment' };
const commentOf = (what: string): ComparedFact => ({ drift: 'comment lost', words: `comment of ${what}` });
const options: ComparedFact = { drift: 'object changed', words: 'options', as: 'secrets' };
/** Facts that all mean the same: name → words. */
const all = (drift: DriftName, facts: Record<string, string>, as?: ComparedFact['as']) =>
  Object.fromEntries(Object.entries(facts).map(([fact, words]) => [fact, { drift, words, ...(as && { as }) }]));

const ordinary = { missing: 'object missing', added: 'object added' } as const;

export const kinds = {
  database: {
    ...ordinary,
    plural: 'databases',
    facts: all('object changed', { search_path: 'search_path, as the database sets it' }, 'sql'),
  },
  role: {
    ...ordinary,
    plural: 'roles',
    facts: {
      ...all('role changed', {
        bypass_row_security: 'BYPASSRLS',
        inherit: 'INHERIT',
      }),
      ...all('role changed', { settings: 'settings' }, 'sql'),
      member_of: { drift: 'role changed', words: 'membership', as: 'roles' },
      inherits_otherwise: { drift: 'role changed', words: 'membership with an INHERIT of its own', as: 'roles' },
      administers: { drift: 'role changed', words: 'membership WITH ADMIN OPTION', as: 'roles' },
      never_acts_as: { drift: 'role changed', words: 'membership WITH SET FALSE', as: 'roles' },
    },
  },
  schema: { ...ordinary, plural: 'schemas', facts: { owner, comment } },
  extension: {
    missing: 'publication or extension missing',
    added: 'object added',
    plural: 'extensions',
    facts: {
      ...all('object changed', { schema: 'schema' }),
      ...all('object changed', { version: 'version' }, 'majors'),
    },
  },
  type: {
    ...ordinary,
    plural: 'types',
    facts: {
      ...all('type changed', { form: 'form' }),
      ...all('type changed', { definition: 'definition' }, 'sql'),
      owner,
      comment,
      comments_inside: commentOf('what it is made of'),
      // Before 17 it may be another than its range's.
      multirange_owner: { drift: 'owner wrong', words: 'owner of its multirange', as: 'majors' },
      multirange_comment: commentOf('its multirange'),
    },
  },
  collation: {
    ...ordinary,
    plural: 'collations',
    facts: {
      ...all('object changed', {
        provider: 'provider',
        collate: 'LC_COLLATE',
        ctype: 'LC_CTYPE',
        deterministic: 'DETERMINISTIC',
        rules: 'rules',
      }),
      ...all('object changed', { locale: 'locale' }, 'locale'),
      owner,
      comment,
    },
  },
  function: {
    ...ordinary,
    plural: 'functions',
    facts: {
      ...all('function changed', {
        form: 'form',
        language: 'language',
        security_definer: 'SECURITY DEFINER',
        settings: 'settings (SET …)',
        volatility: 'volatility',
        strict: 'STRICT',
        leakproof: 'LEAKPROOF',
        parallel: 'PARALLEL',
        cost: 'COST',
        rows: 'ROWS',
        support: 'SUPPORT',
        aggregate: 'definition',
        body: 'body',
      }),
      ...all('function changed', { arguments: 'arguments', returns: 'result', statements: 'body' }, 'sql'),
      owner,
      comment,
    },
  },
  sequence: {
    ...ordinary,
    plural: 'sequences',
    facts: {
      ...all('sequence changed', {
        type: 'type',
        start: 'START',
        increment: 'INCREMENT',
        minimum: 'MINVALUE',
        maximum: 'MAXVALUE',
        cache: 'CACHE',
        cycle: 'CYCLE',
        persistence: 'persistence',
      }),
      ...all('sequence changed', { owned_by: 'OWNED BY' }, 'sql'),
      owner,
      comment,
    },
  },
  table: {
    ...ordinary,
    plural: 'tables',
    facts: {
      ...all('table changed', {
        form: 'form',
        persistence: 'persistence',
        inherits: 'parents',
        options: 'storage parameters',
        access_method: 'access method',
        replica_identity: 'replica identity',
        of_type: 'type',
        foreign_server: 'foreign server',
      }),
      foreign_options: { ...options, drift: 'table changed' },
      ...all('table changed', { partition_key: 'partition key' }, 'sql'),
      column_order: { drift: 'table changed', words: 'order of columns', as: 'order' },
      partition: { drift: 'partition detached', words: 'partition', as: 'sql' },
      row_security: { drift: 'row level security off', words: 'row level security' },
      forced_row_security: { drift: 'row level security off', words: 'FORCE row level security' },
      owner,
      comment,
    },
  },
  view: {
    ...ordinary,
    plural: 'views',
    facts: {
      security_invoker: { drift: 'security_invoker lost', words: 'security_invoker' },
      definition: { drift: 'view changed', words: 'query', as: 'view' },
      options: { drift: 'view changed', words: 'options' },
      owner,
      comment,
    },
  },
  'materialized view': {
    ...ordinary,
    plural: 'materialized views',
    facts: {
      populated: { drift: 'materialized view not populated', words: 'populated' },
      definition: { drift: 'view changed', words: 'query', as: 'view' },
      ...all('view changed', { options: 'storage parameters', access_method: 'access method' }),
      owner,
      comment,
    },
  },
  column: {
    missing: 'missing column',
    added: 'object added',
    plural: 'columns',
    facts: {
      ...all('column type changed', { type: 'type', collation: 'collation' }, 'sql'),
      default: { drift: 'default lost', words: 'default', as: 'sql' },
      not_null: { drift: 'NOT NULL lost', words: 'NOT NULL' },
      generated: { drift: 'generated column turned plain', words: 'GENERATED', as: 'sql' },
      identity: { drift: 'identity turned plain', words: 'IDENTITY' },
      ...all('column changed', {
        storage: 'STORAGE',
        compression: 'COMPRESSION',
        statistics_target: 'STATISTICS',
        options: 'options',
      }),
      // Of what is inherited: it stays when the parent's goes.
      own: { drift: 'column changed', words: 'definition of its own', as: 'both' },
      foreign_options: { ...options, drift: 'column changed' },
      comment,
    },
  },
  constraint: {
    ...ordinary,
    plural: 'constraints',
    facts: {
      ...all('constraint changed', { form: 'form', enforced: 'enforced' }),
      ...all('constraint changed', { definition: 'definition' }, 'sql'),
      valid: { drift: 'constraint changed', words: 'validated' },
      own: { drift: 'constraint changed', words: 'definition of its own', as: 'both' },
      ...all('constraint changed', { clustered: 'CLUSTER', index_options: 'storage parameters of its index' }),
      comment,
      index_comment: commentOf('its index'),
    },
  },
  index: {
    missing: 'index missing or invalid',
    added: 'object added',
    plural: 'indexes',
    facts: {
      valid: { drift: 'index missing or invalid', words: 'valid' },
      predicate: { drift: 'index changed', words: 'predicate', as: 'sql' },
      definition: { drift: 'index changed', words: 'definition', as: 'sql' },
      ...all('index changed', {
        unique: 'UNIQUE',
        clustered: 'CLUSTER',
        part_of: 'index that it is part of',
        statistics_targets: 'STATISTICS',
      }),
      comment,
    },
  },
  trigger: {
    missing: 'trigger missing',
    added: 'object added',
    plural: 'triggers',
    facts: {
      enabled: { drift: 'trigger disabled', words: 'state' },
      ...all('trigger changed', { definition: 'definition' }, 'sql'),
      comment,
    },
  },
  'event trigger': {
    missing: 'trigger missing',
    added: 'object added',
    plural: 'event triggers',
    facts: {
      enabled: { drift: 'trigger disabled', words: 'state' },
      ...all('trigger changed', { event: 'event', tags: 'tags', function: 'function' }),
      owner,
      comment,
    },
  },
  rule: {
    ...ordinary,
    plural: 'rules',
    facts: {
      enabled: { drift: 'object changed', words: 'state' },
      definition: { drift: 'object changed', words: 'definition', as: 'sql' },
      comment,
    },
  },
  policy: {
    missing: 'policy lost',
    added: 'policy added',
    plural: 'policies',
    facts: {
      ...all('policy changed', { command: 'command', form: 'form' }),
      ...all('policy changed', { roles: 'roles' }, 'roles'),
      ...all('policy changed', { using: 'USING', check: 'WITH CHECK' }, 'sql'),
      comment,
    },
  },
  statistics: {
    ...ordinary,
    plural: 'statistics objects',
    facts: {
      ...all('object changed', { definition: 'definition' }, 'sql'),
      ...all('object changed', { target: 'STATISTICS' }),
      owner,
      comment,
    },
  },
  operator: {
    ...ordinary,
    plural: 'operators',
    facts: {
      ...all('object changed', {
        function: 'function',
        commutator: 'COMMUTATOR',
        negator: 'NEGATOR',
        restrict: 'RESTRICT',
        join: 'JOIN',
        merges: 'MERGES',
        hashes: 'HASHES',
      }),
      owner,
      comment,
    },
  },
  'operator class': {
    ...ordinary,
    plural: 'operator classes',
    facts: {
      ...all('object changed', {
        type: 'type',
        stored_as: 'STORAGE',
        family: 'FAMILY',
        default: 'DEFAULT',
        members: 'members',
      }),
      owner,
      comment,
    },
  },
  'operator family': {
    ...ordinary,
    plural: 'operator families',
    facts: { ...all('object changed', { members: 'members that are of none of its classes' }), owner, comment },
  },
  'access method': {
    ...ordinary,
    plural: 'access methods',
    facts: { ...all('object changed', { form: 'form', handler: 'HANDLER' }), comment },
  },
  language: {
    ...ordinary,
    plural: 'languages',
    facts: {
      ...all('object changed', { trusted: 'TRUSTED', handler: 'HANDLER', inline: 'INLINE', validator: 'VALIDATOR' }),
      owner,
      comment,
    },
  },
  conversion: {
    ...ordinary,
    plural: 'conversions',
    facts: {
      ...all('object changed', { from: 'FOR', to: 'TO', function: 'function', default: 'DEFAULT' }),
      owner,
      comment,
    },
  },
  transform: {
    ...ordinary,
    plural: 'transforms',
    facts: { ...all('object changed', { from_sql: 'FROM SQL', to_sql: 'TO SQL' }), comment },
  },
  cast: {
    ...ordinary,
    plural: 'casts',
    facts: { ...all('object changed', { function: 'function', context: 'context' }), comment },
  },
  'text search': {
    ...ordinary,
    plural: 'parts of text search',
    facts: { ...all('object changed', { definition: 'definition' }), owner, comment },
  },
  'foreign data wrapper': {
    ...ordinary,
    plural: 'foreign data wrappers',
    facts: { ...all('object changed', { handler: 'HANDLER', validator: 'VALIDATOR' }), options, owner, comment },
  },
  'foreign server': {
    ...ordinary,
    plural: 'foreign servers',
    facts: {
      ...all('object changed', { wrapper: 'wrapper', type: 'type', version: 'version' }),
      options,
      owner,
      comment,
    },
  },
  // What it signs in with is told to nobody but its owner.
  'user mapping': { ...ordinary, plural: 'user mappings', facts: {} },
  'security label': {
    ...ordinary,
    plural: 'security labels',
    facts: all('object changed', { label: 'label' }),
  },
  publication: {
    missing: 'publication or extension missing',
    added: 'object added',
    plural: 'publications',
    facts: {
      ...all('publication or extension missing', {
        all_tables: 'FOR ALL TABLES',
        schemas: 'schemas',
        operations: 'operations',
        via_root: 'publish_via_partition_root',
      }),
      ...all('publication or extension missing', { tables: 'tables' }, 'sql'),
      owner,
      comment,
    },
  },
  grant: {
    missing: 'grant lost',
    added: 'grant too wide',
    plural: 'grants',
    facts: { privileges: { drift: 'grant lost', words: 'rights', as: 'privileges' } },
  },
  'default privilege': {
    missing: 'default privilege lost',
    added: 'default privilege too wide',
    plural: 'default privileges',
    facts: { privileges: { drift: 'default privilege lost', words: 'rights', as: 'privileges' } },
  },
  'large objects': {
    ...ordinary,
    plural: 'owners of large objects',
    facts: { ...all('object changed', { count: 'number' }) },
  },
} as const satisfies Record<string, KindOfObject>;

export type Kind = keyof typeof kinds;

/** The facts of a kind that are compared. */
export function comparedFacts(kind: Kind): Readonly<Record<string, ComparedFact>> {
  return kinds[kind].facts;
}
