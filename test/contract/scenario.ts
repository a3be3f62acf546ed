/**
 * What a real GoTrue 2.196 answered, as data: `vectors/gotrue/*.jsonl` has a scenario per line, its requests in order with
 * what came back to each; `profiles.json` the environments that GoTrue ran with; `differences.json` where we differ on
 * purpose.
 */
import { readdirSync, readFileSync } from 'node:fs';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

/** Where in an answer a value stands (`body.user.id`), by the name it is known under from then on. */
type Saved = Record<string, string>;

interface StepCommon {
  /** What GoTrue answered, in normal form. Steps without it only prepare. */
  got?: JsonObject;
  save?: Saved;
  /** Paths in `got` that two faithful runs do not agree on. */
  ignore?: string[];
}

/** A request: `POST /token?grant_type=password`. */
export interface RequestStep extends StepCommon {
  do: string;
  body?: Json;
  form?: Record<string, string>;
  raw?: string;
  bearer?: string;
  /** `null` removes one. */
  headers?: Record<string, string | null>;
  /** `false`: without `X-Supabase-Api-Version`. */
  api?: boolean;
  /** So many at once, of which only the outcomes are counted. */
  times?: number;
}

/** The next unread mail to an address; with `none`, that there is none. */
export interface MailStep extends StepCommon {
  mail: string;
  none?: boolean;
}

/** SQL on the server's own database; the rows of a select are compared. */
export interface SqlStep extends StepCommon {
  sql: string;
}

/** A JWT of these claims, in which times are relative (`"+3600"`). */
export interface MintStep extends Omit<StepCommon, 'save'> {
  mint: JsonObject;
  header?: JsonObject;
  key?: string;
  save: string;
}

/** A verifier and its challenge, under these names. */
export interface PkceStep extends StepCommon {
  pkce: true;
}

/** Values under names of their own. */
export interface SetStep extends StepCommon {
  set: Record<string, string>;
}

export type Step = RequestStep | MailStep | SqlStep | MintStep | PkceStep | SetStep;

export interface Scenario {
  name: string;
  /** A key of `profiles.json`. */
  profile: string;
  about: string;
  steps: Step[];
}

/** A difference that is wanted. The recordings' own runner takes the file with `--allow`. */
export interface Difference {
  scenario: string;
  /** From 0; absent where it is every step. */
  step?: number;
  /** The beginning of the path of what differs: `body.message`. */
  path: string;
  reason: string;
}

const directory = new URL('../vectors/gotrue/', import.meta.url);

export function readScenarios(): Scenario[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.jsonl'))
    .flatMap((file) => readFileSync(new URL(file, directory), 'utf8').trimEnd().split('\n'))
    .map((line) => JSON.parse(line));
}

export function readProfiles(): Record<string, Record<string, string>> {
  return JSON.parse(readFileSync(new URL('profiles.json', directory), 'utf8'));
}

export function readDifferences(): Difference[] {
  return JSON.parse(readFileSync(new URL('differences.json', directory), 'utf8'));
}
