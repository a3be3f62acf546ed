import { expect, test } from 'vitest';
import { comparableQuery, comparableSql } from '../../src/catalogue/comparable.ts';

test.each([
  ['("json" IS NOT NULL)', '(json IS NOT NULL)'],
  ['a  +\n   b', 'a + b'],
  [`nextval('"json"."Odd_id_seq"'::regclass)`, `nextval('json."Odd_id_seq"'::regclass)`],
  [`CHECK ((x = 'a'::text))  `, `CHECK ((x = 'a'::text))`],
  // As a server prints it first, and once it has read that.
  [
    `(k = ANY ((ARRAY['a'::character varying, 'it''s, [b]'::character varying, n])::text[]))`,
    `(k = ANY (ARRAY[('a'::character varying)::text, ('it''s, [b]'::character varying)::text, (n)::text]))`,
  ],
  [
    `k = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[])`,
    `k = ANY (ARRAY['a'::character varying::text, 'b'::character varying::text])`,
  ],
])('%s is the same as %s', (one, other) => {
  expect(comparableSql(one)).toBe(comparableSql(other));
});

test.each([
  [`'"json"'::text`, `'json'::text`],
  [`'a  b'::text`, `'a b'::text`],
  [`E'it\\'s  "x"'`, `E'it\\'s "x"'`],
  ['"Json"', 'json'],
  ['"a b"', 'a b'],
  ['(a)', '((a))'],
  [`ANY ((ARRAY['a'::character varying])::text[])`, `ANY ((ARRAY['b'::character varying])::text[])`],
  [`ANY ((ARRAY['a'::character varying])::text[])`, `ANY (ARRAY['a'::text])`],
  [`ANY (ARRAY[(a)::text, b])`, `ANY (ARRAY[(a)::text, (b)::text])`],
  [`ANY (ARRAY[(a)::text, (b)::text])`, `ANY (ARRAY[(b)::text, (a)::text])`],
])('%s is not the same as %s', (one, other) => {
  expect(comparableSql(one)).not.toBe(comparableSql(other));
});

test('a query of one table is the same whether or not its columns say so', () => {
  const before = ` SELECT p.id,\n    'p.id' AS text\n   FROM public.profiles p\n  WHERE (p.id > ( SELECT q.x FROM crm.q WHERE (q.id = p.id)));`;
  const since = ` SELECT id,\n    'p.id' AS text\n   FROM public.profiles p\n  WHERE (id > ( SELECT q.x FROM crm.q WHERE (q.id = p.id)));`;
  expect(comparableQuery(before)).toBe(comparableQuery(since));
  expect(comparableQuery(before)).toContain(`'p.id'`);
  expect(comparableQuery(before)).toContain('q.id');
  expect(comparableQuery(' SELECT "Groß".id FROM x."Groß";')).toBe(comparableQuery(' SELECT id FROM x."Groß";'));
});

test('of two tables each column is whose it says', () => {
  const one = ' SELECT a.id FROM (x.a JOIN x.b ON ((a.id = b.id)));';
  expect(comparableQuery(one)).not.toBe(comparableQuery(one.replace('SELECT a.id', 'SELECT b.id')));
  const comma = ' SELECT a.id FROM x.a, x.b;';
  expect(comparableQuery(comma)).not.toBe(comparableQuery(comma.replace('SELECT a.id', 'SELECT b.id')));
});
