/**
 * Templates in Go's syntax, as far as mails of Supabase projects use it (contract §7.2): fields, `if`, `else if`, `else`,
 * `with`, `end`, comments, trim markers, pipes, and the functions `eq`, `ne`, `and`, `or`, `not`, `index`, `len`. A template is
 * read into a tree and the tree is walked: nothing of it is ever run as code, and all else is a mistake with its line.
 *
 * @see https://pkg.go.dev/text/template
 */

/** Why a template cannot be used: a sentence that begins with the line. */
export class TemplateMistake extends Error {
  override readonly name = 'TemplateMistake';

  constructor(line: number, sentence: string) {
    super(`line ${line}: ${sentence}`);
  }
}

export type Node = TextNode | ValueNode | BranchNode;

interface TextNode {
  kind: 'text';
  text: string;
  line: number;
}

interface ValueNode {
  kind: 'value';
  value: Expression;
  line: number;
}

interface BranchNode {
  kind: 'branch';
  condition: Expression;
  /** Inside `with` the dot is what it was given. */
  setsDot: boolean;
  met: Node[];
  unmet: Node[];
  line: number;
}

type Expression =
  | { kind: 'literal'; value: unknown }
  | { kind: 'field'; of: 'dot' | 'root'; path: string[] }
  | { kind: 'call'; name: FunctionName; args: Expression[] };

type FunctionName = keyof typeof functions;

/** Who takes text and values in the order in which they come out. */
export interface Sink {
  text(text: string): void;
  value(text: string): void;
}

const DEPTH_MAX = 50;
const BLANKS = ' \\t\\r\\n';
/** A string of either kind may hold the braces that end an action. */
const ACTION = /\{\{((?:"(?:\\.|[^"\\\n])*"|`[^`]*`|\/\*[\s\S]*?\*\/|(?!\}\})[^"`])*)\}\}/y;
const TOKEN =
  /\s+|(?<string>"(?:\\.|[^"\\\n])*")|(?<raw>`[^`]*`)|(?<field>\$?(?:\.[\p{L}_][\p{L}\p{N}_]*)+|\$|\.)(?![\p{L}\p{N}_.$])|(?<number>[+-]?\d+(?:\.\d+)?)(?![\p{L}\p{N}_.])|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<sign>[|()])/uy;

/**
 * Reads a template.
 *
 * @throws TemplateMistake
 */
export function parseTemplate(source: string): Node[] {
  if (source.includes('\0')) throw new TemplateMistake(1, 'a template is text, and has no NUL.');
  const parts = splitActions(source);
  let next = 0;

  function block(depth: number): { nodes: Node[]; ended: Action | undefined } {
    const nodes: Node[] = [];
    for (;;) {
      const part = parts[next++];
      if (!part) return { nodes, ended: undefined };
      if (part.kind === 'text') {
        if (part.text !== '') nodes.push(part);
        continue;
      }
      const [first] = part.tokens;
      const word = first?.kind === 'word' ? first.text : undefined;
      if (word === 'end' || word === 'else') return { nodes, ended: part };
      if (word === 'if' || word === 'with') nodes.push(branch(word, part.tokens.slice(1), part.line, depth));
      else nodes.push({ kind: 'value', value: pipeline(part.tokens, part.line), line: part.line });
    }
  }

  function branch(word: 'if' | 'with', condition: Token[], line: number, depth: number): BranchNode {
    if (depth >= DEPTH_MAX) throw new TemplateMistake(line, `more than ${DEPTH_MAX} conditions inside one another.`);
    const node = { kind: 'branch', condition: pipeline(condition, line), setsDot: word === 'with', line } as const;
    const met = block(depth + 1);
    if (!met.ended) throw new TemplateMistake(line, `{{ ${word} }} has no {{ end }}.`);
    if (isWord(met.ended, 'end')) return { ...node, met: met.nodes, unmet: [] };

    const [, again, ...rest] = met.ended.tokens;
    if (again) {
      if (again.text !== 'if' && again.text !== 'with') throw unexpected(again, met.ended.line);
      return { ...node, met: met.nodes, unmet: [branch(again.text, rest, met.ended.line, depth + 1)] };
    }
    const unmet = block(depth + 1);
    if (!unmet.ended) throw new TemplateMistake(line, `{{ ${word} }} has no {{ end }}.`);
    if (!isWord(unmet.ended, 'end')) throw new TemplateMistake(unmet.ended.line, 'a second {{ else }}.');
    return { ...node, met: met.nodes, unmet: unmet.nodes };
  }

  const { nodes, ended } = block(0);
  if (ended) throw new TemplateMistake(ended.line, `{{ ${ended.tokens[0]?.text} }} without an {{ if }}.`);
  return nodes;
}

interface Token {
  kind: 'string' | 'raw' | 'field' | 'number' | 'word' | 'sign';
  text: string;
}

interface Action {
  kind: 'action';
  tokens: Token[];
  line: number;
}

/** Text and actions in turn, comments gone, blanks taken away where a trim marker says so. */
function splitActions(source: string): (TextNode | Action)[] {
  const parts: (TextNode | Action)[] = [];
  let at = 0;
  let line = 1;
  let trims = false;

  function addText(text: string, trimsEnd: boolean): void {
    let kept = trims ? text.replace(new RegExp(`^[${BLANKS}]+`), '') : text;
    if (trimsEnd) kept = kept.replace(new RegExp(`[${BLANKS}]+$`), '');
    parts.push({ kind: 'text', text: kept, line });
    line += countLines(text);
  }

  for (;;) {
    const open = source.indexOf('{{', at);
    if (open < 0) break;
    ACTION.lastIndex = open;
    const [whole, inside] = ACTION.exec(source) ?? [];
    const trimsBefore = inside !== undefined && /^-\s/.test(inside);
    addText(source.slice(at, open), trimsBefore);
    if (whole === undefined || inside === undefined) throw new TemplateMistake(line, '{{ has no }}.');
    trims = /\s-$/.test(inside);
    const code = inside.slice(trimsBefore ? 1 : 0, trims ? -1 : undefined);
    if (/^\s*\/\*/.test(code)) {
      if (!/^\s*\/\*[\s\S]*?\*\/\s*$/.test(code))
        throw new TemplateMistake(line, 'a comment stands alone in its {{ }}.');
    } else parts.push({ kind: 'action', tokens: tokensOf(code, line), line });
    line += countLines(whole);
    at = open + whole.length;
  }
  addText(source.slice(at), false);
  return parts;
}

function tokensOf(code: string, line: number): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < code.length) {
    const start = TOKEN.lastIndex;
    const { groups } = TOKEN.exec(code) ?? {};
    if (!groups) throw new TemplateMistake(line, `"${code.slice(start).trim().slice(0, 20)}" is not supported.`);
    const found = Object.entries(groups).find(([, text]) => text !== undefined);
    if (found) tokens.push({ kind: found[0] as Token['kind'], text: found[1] as string });
  }
  if (tokens.length === 0) throw new TemplateMistake(line, '{{ }} is empty.');
  return tokens;
}

const countLines = (text: string) => text.split('\n').length - 1;
const isWord = ({ tokens }: Action, word: string) => tokens.length === 1 && tokens[0]?.text === word;
const unexpected = ({ text }: Token, line: number) => new TemplateMistake(line, `"${text}" is not supported here.`);

/** `a | b c` is `b c a`. */
function pipeline(tokens: Token[], line: number): Expression {
  let next = 0;

  function pipe(depth: number): Expression {
    let value = command(depth);
    while (tokens[next]?.text === '|') {
      next += 1;
      const then = command(depth);
      if (then.kind !== 'call') throw new TemplateMistake(line, 'after | stands a function.');
      value = { ...then, args: [...then.args, value] };
    }
    return value;
  }

  function command(depth: number): Expression {
    const token = tokens[next];
    if (token?.kind !== 'word' || token.text in words) {
      const value = operand(depth);
      const rest = tokens[next];
      if (rest && rest.text !== '|' && rest.text !== ')') throw unexpected(rest, line);
      return value;
    }
    next += 1;
    if (!Object.hasOwn(functions, token.text)) {
      throw new TemplateMistake(line, `"${token.text}" is not supported: there are if, else, with, end, ${names}.`);
    }
    const args: Expression[] = [];
    while (tokens[next] && tokens[next]?.text !== '|' && tokens[next]?.text !== ')') args.push(operand(depth));
    return { kind: 'call', name: token.text as FunctionName, args };
  }

  function operand(depth: number): Expression {
    const token = tokens[next++];
    if (!token) throw new TemplateMistake(line, 'a value is missing.');
    switch (token.kind) {
      case 'field': {
        const [start, ...path] = token.text === '.' ? [''] : token.text.split('.');
        return { kind: 'field', of: start === '$' ? 'root' : 'dot', path };
      }
      case 'string':
        return { kind: 'literal', value: unquoted(token.text, line) };
      case 'raw':
        return { kind: 'literal', value: token.text.slice(1, -1) };
      case 'number':
        return { kind: 'literal', value: Number(token.text) };
      case 'word':
        if (token.text in words) return { kind: 'literal', value: words[token.text] };
        // A function without arguments has nothing to say here.
        throw unexpected(token, line);
      default: {
        if (token.text !== '(') throw unexpected(token, line);
        if (depth >= DEPTH_MAX) throw new TemplateMistake(line, 'too many brackets.');
        const value = pipe(depth + 1);
        if (tokens[next++]?.text !== ')') throw new TemplateMistake(line, '( has no ).');
        return value;
      }
    }
  }

  const value = pipe(0);
  const rest = tokens[next];
  if (rest) throw unexpected(rest, line);
  checkArguments(value, line);
  return value;
}

const words: Record<string, unknown> = Object.assign(Object.create(null), { true: true, false: false, nil: null });

function unquoted(text: string, line: number): string {
  try {
    return JSON.parse(text);
  } catch {
    throw new TemplateMistake(line, 'a string has an escape that is not supported.');
  }
}

/** The least and most arguments of each, and what it makes of them. */
const functions = {
  eq: [2, 8, ([first, ...others]: unknown[]) => others.some((other) => areEqual(first, other))],
  ne: [2, 2, ([first, second]: unknown[]) => !areEqual(first, second)],
  not: [1, 1, ([value]: unknown[]) => !isTrue(value)],
  // Where there is none, that is -1, and means the last.
  and: [1, 8, (values: unknown[]) => values.at(values.findIndex((value) => !isTrue(value)))],
  or: [1, 8, (values: unknown[]) => values.at(values.findIndex(isTrue))],
  index: [2, 8, ([value, ...keys]: unknown[]) => keys.reduce((of, key) => memberOf(of, String(key)), value)],
  len: [1, 1, ([value]: unknown[]) => lengthOf(value)],
} as const satisfies Record<string, readonly [least: number, most: number, (values: unknown[]) => unknown]>;

const names = Object.keys(functions).join(', ');

function checkArguments(expression: Expression, line: number): void {
  if (expression.kind !== 'call') return;
  const { name, args } = expression;
  const [least, most] = functions[name];
  if (args.length < least || args.length > most)
    throw new TemplateMistake(line, `${name} has ${args.length} arguments.`);
  for (const arg of args) checkArguments(arg, line);
}

/** Writes what the template makes of the variables. A field that is not there is nothing. */
export function renderTemplate(nodes: readonly Node[], variables: object, sink: Sink): void {
  const render = (list: readonly Node[], dot: unknown): void => {
    for (const node of list) {
      if (node.kind === 'text') sink.text(node.text);
      else if (node.kind === 'value') sink.value(shown(evaluated(node.value, dot, variables)));
      else {
        const value = evaluated(node.condition, dot, variables);
        if (isTrue(value)) render(node.met, node.setsDot ? value : dot);
        else render(node.unmet, dot);
      }
    }
  };
  render(nodes, variables);
}

function evaluated(expression: Expression, dot: unknown, root: unknown): unknown {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'field':
      return expression.path.reduce(memberOf, expression.of === 'root' ? root : dot);
    case 'call': {
      const [, , apply] = functions[expression.name];
      return apply(expression.args.map((arg) => evaluated(arg, dot, root)));
    }
  }
}

/** Own members alone: what every object inherits is no variable. */
function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return /^\d+$/.test(name) ? value[Number(name)] : undefined;
  return Object.hasOwn(value, name) ? value[name as never] : undefined;
}

function isTrue(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return lengthOf(value) > 0;
  return Boolean(value);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return 0;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

const isBasic = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value);

function areEqual(one: unknown, other: unknown): boolean {
  return isBasic(one) ? one === other : (one ?? null) === null && (other ?? null) === null;
}

function shown(value: unknown): string {
  return isBasic(value) ? String(value) : '';
}
