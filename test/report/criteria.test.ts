/** What a report counts as shown, and what not: the criteria that hang on when and over what line. */
import { expect, test } from 'vitest';
import { duration, type Facts, judge } from '../../src/report/criteria.ts';
import type { ReportedRun } from '../../src/report/runs.ts';

const run = (of: Partial<ReportedRun>): ReportedRun => ({
  ...{ run_id: '11111111-1111-4111-8111-111111111111', command: 'migrate copy', operator: 'ops', outcome: 'finished' },
  ...{ source: undefined, target: undefined, reason: undefined, definitions: undefined },
  ...{ moved: [], checks: [], differences: [], not_checked: [], notes: [] },
  ...{ started_at: '2026-11-01T20:00:00.000Z', ended_at: '2026-11-01T20:30:00.000Z', seconds: 1800 },
  ...of,
});

const facts = (of: Partial<Facts>): Facts => ({
  runs: [],
  ledger: { intact: true, entries: 0, head: undefined, recorded_heads: 0, fault: undefined },
  target: {
    ...{ database: 'portal', role: 'gatehouse', server_version: '15.18', size_bytes: 1, tls: null },
    ...{ listen_addresses: '*', data_checksums: true, schemas: [], users: 1, sessions: 1, factors: 1 },
    ...{ ledger_guarded: true, audit_guarded: true },
  },
  transport: { local: false, verified: false },
  since: undefined,
  backups: { made: [], last_expiry: undefined },
  ...of,
});

const verdict = (name: string, of: Partial<Facts>) => judge(facts(of)).find((one) => one.name === name)?.verdict;

const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' };

test.each([
  ['verified TLS', tls, { local: false, verified: true }, 'shown'],
  ['TLS to whoever answers', tls, { local: false, verified: false }, 'in part'],
  ['no TLS within the machine', null, { local: true, verified: false }, 'not shown'],
  ['no TLS across the network', null, { local: false, verified: false }, 'not met'],
])('%s', (_, seen, transport, expected) => {
  const { target } = facts({});
  expect(verdict('Encrypted connections', { target: { ...target, tls: seen }, transport })).toBe(expected);
});

const since = (first_use: string | null) => ({ sign_ins: 1, refused_sign_ins: 0, refreshes: 0, faults: 0, first_use });
const verified = run({ command: 'migrate verify', started_at: '2026-11-01T20:31:00.000Z' });

test.each([
  ['nothing was copied', [], since('2026-11-01T21:00:00.000Z'), 'not shown'],
  ['nobody has come yet', [run({}), verified], since(null), 'not shown'],
  ['somebody came within the hour', [run({}), verified], since('2026-11-01T21:00:00.000Z'), 'in part'],
  ['nobody came for five hours', [run({}), verified], since('2026-11-02T01:00:00.000Z'), 'not met'],
  ['the copy failed', [run({ outcome: 'failed' })], since('2026-11-01T21:00:00.000Z'), 'not shown'],
])('downtime, where %s', (_, runs, seen, expected) => {
  expect(verdict('Downtime', { runs, since: seen })).toBe(expected);
});

test('the last word on equality is that of the newest comparison of a portal, whatever the users say', () => {
  const equal = { what: 'public.people', rows: 7, equal: true };
  const runs = [
    run({ command: 'migrate verify', checks: [{ ...equal, equal: false }] }),
    run({ command: 'migrate verify', checks: [equal] }),
    run({ command: 'migrate users', checks: [{ what: 'auth.users', rows: 3, equal: true }] }),
  ];
  expect(verdict('No data lost', { runs })).toBe('shown');
  expect(verdict('No data lost', { runs: runs.slice(0, 1) })).toBe('not met');
  expect(verdict('No data lost', { runs: runs.slice(2) })).toBe('in part');
});

test('what people change once they are here does not make a move that was equal unequal', () => {
  const check = { what: 'public.people', rows: 7, equal: true };
  const definitions = { compared: 9, equal: true };
  const before = run({ command: 'migrate verify', checks: [check], definitions });
  const after = run({
    command: 'migrate verify',
    ...{ started_at: '2026-11-03T20:00:00.000Z', ended_at: '2026-11-03T20:30:00.000Z' },
    ...{ checks: [{ ...check, equal: false }], definitions: { compared: 9, equal: false } },
  });
  const used = { runs: [before, after], since: since('2026-11-02T08:00:00.000Z') };
  const [dataLoss, integrity] = judge(facts(used));
  expect([dataLoss?.verdict, integrity?.verdict]).toEqual(['shown', 'shown']);
  expect(dataLoss?.evidence.at(-1)).toMatch(/^Compared again when people had signed in here: not all equal/);

  const unused = { runs: [before, after], since: since(null) };
  expect(
    judge(facts(unused))
      .slice(0, 2)
      .map((of) => of.verdict),
  ).toEqual(['not met', 'not met']);
});

test.each([
  [0.04, '0.0 s'],
  [9.96, '10.0 s'],
  [59.6, '1 min 0 s'],
  [200, '3 min 20 s'],
  [7500, '2 h 5 min'],
])('%d seconds are told as %s', (seconds, words) => {
  expect(duration(seconds)).toBe(words);
});
