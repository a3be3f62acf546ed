/** A portal that arrived is equal, however it was copied; what did not arrive is named, and nothing but the ledger is written. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../src/verify/verify.command.ts';
import { type Verification, type VerifyEvent, verifyPortal } from '../../src/verify/verify.ts';
import { operatorAt, outcomeOf } from '../harness/command.ts';
import { adminUrl } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource } from '../harness/supabase-source.ts';
import { query } from '../migrate/rows.ts';
import { copyOf, differingRows, dropCopy } from './harness.ts';

let source: SupabaseSource;
let target: string;
beforeAll(async () => {
  source = await createSupabaseSource(adminUrl(), { users: 100, portal: 'without large values' });
  target = await copyOf(source);
});
afterAll(async () => {
  await dropCopy(target);
  await source.drop();
});

const sides = () => [{ connectionString: source.url }, { connectionString: target }] as const;

/** Every difference, a line each. */
function differences(verification: Verification): string[] {
  const { catalogue, equal } = verification;
  const found = [
    ...catalogue.drift.map(({ number, name, object }) => `${number} ${name}: ${object}`),
    ...differingRows(verification),
  ];
  expect(equal).toBe(found.length === 0);
  return found;
}

test('a copy of all pages is equal, and what was not compared is said', async () => {
  const events: VerifyEvent[] = [];
  const verification = await verifyPortal(...sides(), { onEvent: (event) => events.push(event) });

  expect(differences(verification)).toEqual([]);
  expect(verification.catalogue.objects).toBeGreaterThan(200);
  expect(verification.tables.find(({ table }) => table === 'public.profiles')).toMatchObject({ source: { rows: 97 } });
  expect(verification.tables.find(({ table }) => table === 'public.firm_totals')).toMatchObject({ equal: true });
  expect(verification.sequences.map(({ sequence }) => sequence)).toContain('public.document_number');
  expect(verification.large_objects).toMatchObject({ count: 1, bytes: 4 });
  expect(verification.not_checked.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['the files of storage.objects', 'schema vault', 'passwords of roles', 'subscriptions']),
  );
  expect(verification.ledger_hash).toBeUndefined();
  expect(events.map(({ event }) => event).filter((event) => event !== 'table' && event !== 'rows_read')).toEqual([
    'started',
    'comparing',
    'comparing',
    'rows_begin',
    'comparing',
    'comparing',
    'finished',
  ]);
});

test('it is equal whatever databases and roles print by default', async () => {
  const [there, here] = [source.url, target].map((url) => new URL(url).pathname.slice(1));
  const defaults = `
    alter database ${there} set timezone = 'America/St_Johns';
    alter database ${there} set datestyle = 'SQL, MDY';
    alter database ${there} set bytea_output = 'escape';
    alter role postgres in database ${there} set intervalstyle = 'iso_8601';
    alter database ${here} set timezone = 'Asia/Kathmandu';
    alter database ${here} set extra_float_digits = -10;
    alter database ${here} set client_encoding = 'LATIN1';
    alter database ${here} set quote_all_identifiers = on`;
  try {
    await query(adminUrl(), defaults);
    expect(differences(await verifyPortal(...sides()))).toEqual([]);
  } finally {
    await query(adminUrl(), defaults.replace(/set (\w+) = .*?(;|$)/g, 'reset $1$2'));
  }
});

test('every way in which rows, sequences and large objects differ is named, down to row and column', async () => {
  const copy = await copyOf(source);
  const one = async <T>(text: string) => Object.values((await query(copy, text))[0] ?? {})[0] as T;
  try {
    const portfolios = await query<{ id: string }>(copy, 'select id from portfolios order by id limit 2');
    const [portfolio, other] = portfolios.map(({ id }) => id);
    const valuation = await one<string>(
      `select format('(%s, %s)', portfolio_id, valued_at) from valuations_2025 order by 1 limit 1`,
    );
    const profile = await one<string>('select id from profiles order by id limit 1');
    const note = await one<string>("select id::text from advice_notes where effective = 'infinity'");
    const empty = await one<string>("select id::text from advice_notes where body = ''");
    const scan = await one<string>('select scan::text from advice_notes where scan is not null');
    const ofValuation = `where format('(%s, %s)', portfolio_id, valued_at) = '${valuation}'`;
    const drifts: [number: number, change: string, found: string | RegExp][] = [
      [
        1,
        `delete from products where id = 40 and not exists (select from funds where product_id = 40)`,
        'public.products id=40: missing at the target',
      ],
      [2, "insert into complaints values (7, 'x')", 'public.complaints id=7: not at the source'],
      [
        3,
        `update portfolios set name = 'x' where id = '${portfolio}'`,
        `public.portfolios id=${portfolio}: changed name`,
      ],
      [
        4,
        `update valuations_2025 set irr = irr + 6e-17 ${ofValuation}`,
        `public.valuations_2025 (portfolio_id, valued_at)=${valuation}: changed irr`,
      ],
      [
        5,
        `update profiles set updated_at = date_trunc('milliseconds', updated_at) - interval '1 microsecond' where id = '${profile}'`,
        `public.profiles id=${profile}: changed updated_at`,
      ],
      [6, `update advice_notes set body = null where id = ${empty}`, `public.advice_notes id=${empty}: changed body`],
      [
        7,
        `alter table activity_log replica identity full; update activity_log set details = details::jsonb::json where ctid = '(0,5)'; alter table activity_log replica identity default`,
        /^public\.activity_log sha256 \w+…, ctid \(0,5\) at the source: changed details$/,
      ],
      [
        8,
        `update funds set units = units + 0.0000000000000000000000000 where id = 1`,
        'public.funds id=1: changed units',
      ],
      [
        9,
        `update people set full_name = full_name || U&'e\\0301' where id = 2`,
        'public.people id=2: changed full_name',
      ],
      [
        10,
        `update advice_notes set attachment = attachment || '\\x00' where id = ${note}`,
        `public.advice_notes id=${note}: changed attachment`,
      ],
      [11, "select setval('people_id_seq', 3)", /^public\.people_id_seq: \d+ behind the source$/],
      [11, 'select 1', 'public.people_id_seq: behind max of public.people.id'],
      [0, `select lo_put(${scan}, 1, 'x')`, `large object ${scan}: changed`],
      [
        0,
        `update portfolios set cash = cash + 1, invested = invested - 1 where id = '${other}'`,
        `public.portfolios id=${other}: changed cash invested`,
      ],
    ];
    await query(copy, `set session_replication_role = replica; ${drifts.map(([, change]) => change).join(';')}`);

    const verification = await verifyPortal({ connectionString: source.url }, { connectionString: copy });

    const found = differences(verification);
    for (const [, , expected] of drifts) {
      expect(found).toContainEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
    }
    expect(found).toHaveLength(drifts.length);
  } finally {
    await dropCopy(copy);
  }
});

test('what definitions have become is named beside what became of rows', async () => {
  const copy = await copyOf(source);
  try {
    await query(
      copy,
      `drop policy "own profile" on profiles; alter table valuations detach partition valuations_2025; drop table complaints`,
    );
    const found = differences(await verifyPortal({ connectionString: source.url }, { connectionString: copy }));
    expect(found).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^20 policy lost: .*own profile/),
        expect.stringMatching(/^33 partition detached: public\.valuations_2025/),
        'public.valuations_2025: a partition of public.valuations at the source, no partition at the target',
        'public.complaints: the table is missing at the target',
      ]),
    );
  } finally {
    await dropCopy(copy);
  }
});

test('a foreign server may stay behind that no table of the portal is on; who signs in there, and how, is nowhere said', async () => {
  const secret = 'do-not-show-this';
  try {
    await query(
      source.adminUrl,
      `create foreign data wrapper afar; create server ledger foreign data wrapper afar options (token '${secret}');
       create user mapping for postgres server ledger options (user '${secret}', password '${secret}')`,
    );
    const unused = await verifyPortal(...sides());
    expect(differences(unused)).toEqual([]);
    expect(unused.not_checked.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['foreign server ledger', 'foreign data wrapper afar', 'options of user mappings']),
    );

    await query(source.adminUrl, 'create foreign table public.far (id int) server ledger');
    const used = await verifyPortal(...sides());
    expect(differences(used)).toEqual([
      'undefined object missing: public.far',
      'undefined object missing: afar',
      'undefined object missing: ledger',
    ]);
    expect(used.not_checked.map(({ what }) => what)).toContain('the rows of foreign table public.far');
    expect(JSON.stringify([unused, used])).not.toContain(secret);
  } finally {
    await query(source.adminUrl, 'drop foreign data wrapper afar cascade');
  }
});

describe('while the source lives on', () => {
  test('it is compared as it was in the snapshot that is given, and sequences that moved on are not held against the target', async () => {
    const holder = new pg.Client(source.url);
    await holder.connect();
    try {
      await holder.query('begin transaction isolation level repeatable read read only');
      const { rows } = await holder.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot');
      await query(source.adminUrl, "insert into public.complaints (text) values ('written meanwhile')");

      const verification = await verifyPortal(...sides(), { snapshot: rows[0]?.snapshot ?? '' });

      expect(differences(verification)).toEqual([]);
      expect(verification.not_checked).toContainEqual({
        what: 'where sequence public.complaints_id_seq stands',
        why: expect.stringContaining('1 behind the source'),
      });
      expect(differences(await verifyPortal(...sides()))).toEqual([
        'public.complaints id=1: missing at the target',
        'public.complaints_id_seq: 1 behind the source',
      ]);
    } finally {
      await holder.end();
      await query(source.adminUrl, 'truncate public.complaints restart identity');
    }
  });

  test('neither side need be writable', async () => {
    const names = [source.url, target].map((url) => new URL(url).pathname.slice(1));
    for (const name of names) await query(adminUrl(), `alter database ${name} set default_transaction_read_only = on`);
    try {
      expect(differences(await verifyPortal(...sides()))).toEqual([]);
    } finally {
      for (const name of names) await query(adminUrl(), `alter database ${name} reset default_transaction_read_only`);
    }
  });
});

describe('at the terminal', () => {
  /** Runs the command with the copy as DATABASE_URL. */
  function verify(args: string[], { isTTY = false } = {}) {
    return outcomeOf((streams) => run(args, { ...streams, ...operatorAt(target) }), { isTTY });
  }
  const at = (url: string, change: (parts: URL) => void) => {
    const parts = new URL(url);
    change(parts);
    return parts.href;
  };
  const password = 'hunter2-must-not-show';
  const reader = 'verify_reader';
  beforeAll(async () => {
    await query(adminUrl(), `create role ${reader} login password '${password}'`);
  });
  afterAll(async () => {
    await query(adminUrl(), `drop role ${reader}`);
  });

  test('equal is said in plain lines, part by part, with what was not compared', async () => {
    const { code, stdout, stderr } = await verify(['--from', source.url]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^127\.0\.0\.1:\d+\/supabase_\w+ against 127\.0\.0\.1:\d+\/supabase_\w+\ndefinitions: \d+ objects, equal\n/,
    );
    expect(stdout).toMatch(/^rows: [\d,]+ in 42 tables with \d+ columns, equal$/m);
    expect(stdout).toMatch(/^sequences: 8, equal\nlarge objects: 1, equal\nnot compared:\n/m);
    expect(stdout).toMatch(/^equal: [\d,]+ rows compared in \d+\.\d s; not on record: the target keeps no ledger\n$/m);
    expect(stdout).not.toContain('\u001b');
  });

  test('what differs is said with 6, and in JSON as one object per line', async () => {
    const elsewhere = await copyOf(source);
    try {
      await query(
        elsewhere,
        "set session_replication_role = replica; delete from products where id = 39; update products set name = 'x' where id = 38",
      );
      const text = await verify(['--from', source.url, '--to', elsewhere], { isTTY: true });
      expect(text.code).toBe(6);
      expect(text.stdout).toContain('public.products: 40 rows at the source, 39 at the target\n');
      expect(text.stdout).toMatch(/^ {2}public\.products id=39: missing at the target$/m);
      expect(text.stdout).toMatch(/^ {2}public\.products id=38: changed \(name\)$/m);
      expect(text.stdout).toMatch(/^rows: .*, 1 table not equal$/m);
      expect(text.stdout).toMatch(/^not equal: /m);

      const json = await verify(['--from', source.url, '--to', elsewhere, '--json']);
      const events = json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect([json.code, events.at(0).event, events.at(-1).event]).toEqual([6, 'started', 'finished']);
      expect(events.at(-1).verification.equal).toBe(false);
    } finally {
      await dropCopy(elsewhere);
    }
  });

  test('a target in another encoding is refused in one sentence', async () => {
    const name = `latin_${randomBytes(3).toString('hex')}`;
    await query(adminUrl(), `create database ${name} encoding 'LATIN1' locale 'C' template template0`);
    const to = at(target, (parts) => {
      parts.pathname = `/${name}`;
    });
    try {
      const { code, stderr } = await verify(['--from', source.url, '--to', to]);
      expect([code, stderr]).toEqual([
        4,
        expect.stringMatching(/^The source is in UTF8 and the target in LATIN1: .*\n$/),
      ]);
    } finally {
      await dropCopy(to);
    }
  });

  test.each<[what: string, args: () => string[], code: number, sentence: RegExp]>([
    ['no --from', () => [], 2, /^Say where the portal is: --from/],
    ['an option that does not exist', () => ['--from', source.url, '--apply'], 2, /--apply/],
    [
      'a snapshot that nobody holds',
      () => ['--from', source.url, '--snapshot', '00000009-0000001F-1'],
      2,
      /^The source has no such snapshot: whoever exported it must hold its transaction open/,
    ],
    ['one database as both', () => ['--from', target], 2, /^Source and target are the same database/],
    [
      'a wrong password',
      () => [
        '--from',
        at(source.url, (parts) => {
          parts.password = password;
        }),
      ],
      3,
      /refuses the password of role postgres\. Check the URL\.$/,
    ],
    [
      'a role that may not read',
      () => [
        '--from',
        at(source.url, (parts) => {
          parts.username = reader;
          parts.password = password;
        }),
      ],
      3,
      /^Role verify_reader may not read .* at the source\. Use the role `postgres` of the project\.$/,
    ],
    [
      'a target where nobody listens',
      () => [
        '--from',
        source.url,
        '--to',
        at(target, (parts) => {
          parts.port = '1';
        }),
      ],
      4,
      /cannot be reached \(ECONNREFUSED\)/,
    ],
  ])('%s is refused in one sentence', async (_, args, code, sentence) => {
    const ran = await verify(args());
    expect([ran.code, ran.stderr.trim()]).toEqual([code, expect.stringMatching(sentence)]);
    expect(ran.stderr.trim().split('\n')).toHaveLength(1);
    expect(ran.stdout + ran.stderr).not.toContain(password);
  });
});
