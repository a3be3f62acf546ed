/** PostgreSQL's print of an expression or a query, without what differs between majors or once it was read again, and means nothing. */

/** What XMLSERIALIZE does anyhow, and says of it since 16; a string constant, a quoted name, a word, space, or one other character. */
const TOKEN = / NO INDENT(?=\))|[eE]?'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|[\p{L}_][\p{L}\p{N}_$]*|\s+|./gsu;
/** Quotes, space that is more than one blank, or at an end or a beginning, a list, NO INDENT. */
const UNUSUAL = /"|\s\s|[^\S ]|^\s|\s$|\( |ARRAY\[| NO INDENT\)/u;
const NEEDS_NO_QUOTES = /^"([a-z_][a-z0-9_$]*)"$/;

/** A list with the type that all of it is cast to; constants in it may have brackets of their own. */
const LIST = /(\(?)ARRAY\[((?:'(?:[^']|'')*'|[^'[\]])*)\](\)?)(?:::([\p{L}\p{N}_$." ]+)\[\])?/gu;
/** What a list consists of, between its commas. */
const ELEMENT = /(?:'(?:[^']|'')*'|[^',])+/g;
/** `('a'::character varying)::text` */
const CAST = /^(?:\((.*)\)|([^()]*))::([\p{L}_"][\p{L}\p{N}_$." ]*)$/su;

/**
 * An expression with no more quotes and space than it needs: a word that a newer major reserves (`json`, `absent`) is quoted
 * there and not before. Constants stay as they are.
 */
export function comparableSql(sql: string): string {
  // Most of it: names and short expressions.
  if (!UNUSUAL.test(sql)) return sql;
  return withListsCastWhole(withNamesInConstants(tokens(sql).join('').trim()));
}

/** The name in a constant that stands for a table or a sequence is quoted as names are. */
function withNamesInConstants(sql: string): string {
  return sql.replace(/'((?:[^']|'')*)'::regclass/g, (_, name: string) => `'${tokens(name).join('')}'::regclass`);
}

/**
 * A list is cast as a whole. `kind IN ('a', 'b')` on a `varchar` is printed so until that print is read again, as a restore
 * does: from then on each element is cast by itself.
 */
function withListsCastWhole(sql: string): string {
  return sql.replace(LIST, (list, open: string, elements: string, close: string, type?: string) => {
    if (type !== undefined) return open && close ? `ARRAY[${elements}]::${type}[]` : list;
    const casts = (elements.match(ELEMENT) ?? []).map((element) => CAST.exec(element.trim()));
    const to = casts[0]?.[3];
    // A constant's type is part of it: an element that is cast is one whose type is said already, or in brackets.
    const isCast = (cast: RegExpExecArray | null) =>
      cast?.[3] === to && (cast?.[1] !== undefined || cast?.[2]?.includes('::'));
    if (to === undefined || !casts.every(isCast)) return list;
    return `${open}ARRAY[${casts.map((cast) => cast?.[1] ?? cast?.[2]).join(', ')}]::${to}[]${close}`;
  });
}

/**
 * A query in which the columns of its only table bear no table's name. From 16 on PostgreSQL leaves it away where a view
 * reads one table; no other column can be meant then, because subqueries always name theirs.
 */
export function comparableQuery(sql: string): string {
  const all = tokens(sql);
  const alias = onlyTable(all);
  const stated = all.filter((token, at) => {
    if (alias === undefined) return true;
    if (token === alias && all[at + 1] === '.' && all[at - 1] !== '.') return false;
    return !(token === '.' && all[at - 1] === alias && all[at - 2] !== '.');
  });
  return withListsCastWhole(stated.join('').trim());
}

function tokens(sql: string): string[] {
  const all = sql.match(TOKEN) ?? [];
  // VALUES in a set operation has a blank before it once that was read again.
  const found = all.filter((token, at) => token !== ' NO INDENT' && !(all[at - 1] === '(' && /^\s/.test(token)));
  return found.map((token) => (/^\s/.test(token) ? ' ' : (NEEDS_NO_QUOTES.exec(token)?.[1] ?? token)));
}

/** What follows the outermost FROM: the last name of it, when it is one table under one name. */
function onlyTable(all: readonly string[]): string | undefined {
  let depth = 0;
  let name: string | undefined;
  let inFrom = false;
  let isNamed = false;
  for (const token of all) {
    if (token === ')') depth--;
    if (depth === 0 && token !== ' ') {
      if (inFrom && ends.has(token)) break;
      if (inFrom && several.has(token)) return undefined;
      if (token === 'TABLESAMPLE') isNamed = true;
      if (inFrom && !isNamed && /^["\p{L}_]/u.test(token)) name = token;
      if (token === 'FROM') inFrom = true;
      if (setOperations.has(token)) return undefined;
    }
    if (token === '(') depth++;
  }
  return name;
}

const ends = new Set(['WHERE', 'GROUP', 'HAVING', 'WINDOW', 'ORDER', 'LIMIT', 'OFFSET', 'FETCH', 'FOR', ';']);
const several = new Set([',', 'JOIN']);
const setOperations = new Set(['UNION', 'INTERSECT', 'EXCEPT']);

/**
 * Whether two names of a locale of ICU mean the same. Since 16 PostgreSQL keeps the language tag as that ICU spells it; before,
 * what somebody wrote. Of a name with ICU's former keywords (`de@collation=phonebook`) the language alone is compared.
 */
export function isOneLocale(one: string, other: string): boolean {
  const hasKeywords = one.includes('@') || other.includes('@');
  const [a, b] = [one, other].map((name) => languageTag(hasKeywords ? name.replace(/(?:@|-u-).*$/, '') : name));
  return a === b;
}

function languageTag(name: string): string {
  try {
    return new Intl.Locale(name.replaceAll('_', '-').replace(/^(?:root)?$/, 'und')).toString();
  } catch {
    return name;
  }
}
