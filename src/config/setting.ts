/** One line of the table: how an environment variable is read, what holds without it, and what an operator reads about it. */
import type { Parser } from './values.ts';

interface Described<T> {
  parse: Parser<T>;
  /** What holds when no variable is set. */
  fallback: T;
  /** What it does, why change it, bounds. */
  about: string;
  example?: string | undefined;
  /** Further names of the variable, after ours and GoTrue's; with a parser where they have a syntax of their own. */
  also?: readonly (string | readonly [name: string, parse: Parser<T>])[];
  /** Ours alone: there is no such variable in GoTrue. */
  ours?: boolean;
  /** What this version does not have, and without which the variable has no effect. */
  awaits?: string;
  /** The name for all of a row of variables that differ in one word: `EXTERNAL_<PROVIDER>_ENABLED`. */
  family?: string;
}

export interface Setting<T> extends Described<T> {
  secret: false;
}

/** Never shown, logged or repeated in a mistake; may also be read from the file that `NAME_FILE` names. */
export interface Secret<T> extends Described<T> {
  secret: true;
}

type More<T> = Omit<Described<T>, 'parse' | 'fallback' | 'about'>;

export function setting<T, F extends T | undefined | null>(
  parse: Parser<T>,
  fallback: F,
  about: string,
  more: More<T | F> = {},
): Setting<T | F> {
  return { secret: false, parse, fallback, about, ...more };
}

export function secret<T>(parse: Parser<T>, about: string, more: More<T | undefined> = {}): Secret<T | undefined> {
  return { secret: true, parse, fallback: undefined, about, ...more };
}

type Filled<Template extends string, Name extends string> = Template extends `${infer Before}*${infer After}`
  ? `${Before}${Name}${After}`
  : never;

/** The same line for each of `names`, which stand where `template` has its `*`. Documented once, as `word`. */
export function family<const Template extends `${string}*${string}`, const Name extends string, T>(
  template: Template,
  word: string,
  names: readonly Name[],
  line: T,
): { [K in Filled<Template, Name>]: T } {
  const described = { ...line, family: template.replace('*', `<${word}>`) };
  return Object.fromEntries(names.map((name) => [template.replace('*', name), described])) as never;
}
