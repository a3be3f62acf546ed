/** Plays a recorded scenario against a gatehouse: real HTTP, real mail, real SQL. */
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type pg from 'pg';
import type { Mailbox } from '../harness/mailbox.ts';
import { mintJwt } from '../harness/people.ts';
import { differencesBetween, normal, place, type Values } from './normal-form.ts';
import type {
  Json,
  JsonObject,
  MailStep,
  MintStep,
  RequestStep,
  Scenario,
  SetStep,
  SqlStep,
  Step,
} from './scenario.ts';

/** Of every profile. */
const JWT_SECRET = 'super-secret-jwt-token-with-at-least-32-characters-long';
/** Headers that are part of the contract where GoTrue sent them. */
const comparedHeaders = [
  'content-type',
  'location',
  'link',
  'x-total-count',
  'x-supabase-api-version',
  'x-sb-error-code',
  'cache-control',
  'www-authenticate',
  'access-control-allow-origin',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-expose-headers',
  'access-control-allow-credentials',
];

export interface Target {
  url: string;
  database: { pool: pg.Pool };
  mailbox: Mailbox;
}

/** Where the answer to a step is not GoTrue's. */
export interface Found {
  step: number;
  /** `POST /signup`, or what kind of step it is. */
  title: string;
  /** A path with both values: `body.user.email: want …, got …`. */
  difference: string;
}

/**
 * Plays all steps and returns where they differ. Where GoTrue itself answered 5xx any refusal is right; headers that it
 * did not send may be there.
 */
export async function replay(scenario: Scenario, target: Target): Promise<Found[]> {
  const agent = new Agent({ keepAlive: true });
  const values = freshValues();
  target.mailbox.clear();
  const found: Found[] = [];
  try {
    for (const [index, step] of scenario.steps.entries()) {
      const got = await play(step, { ...target, agent }, values).catch(broken);
      if (step.got === undefined) continue;
      const title = 'do' in step ? step.do : (Object.keys(step)[0] ?? '');
      const differences = compare(step.got, got, step.ignore ?? []);
      found.push(...differences.map((difference) => ({ step: index, title, difference })));
    }
  } finally {
    agent.destroy();
  }
  return found;
}

/** A step that could not be played, because one before it did not give what it needs, differs. */
function broken(error: Error): JsonObject {
  return { error: error.message };
}

function compare(wanted: JsonObject, got: JsonObject, ignore: readonly string[]): string[] {
  const want = without(wanted, ignore);
  const found = without(got, ignore);
  if (Number(want.status) >= 500 && Number(found.status) >= 400 && Number(found.status) < 500) return [];
  const headers = found.headers as JsonObject | undefined;
  const wantedHeaders = (want.headers ?? {}) as JsonObject;
  for (const name in headers) if (!(name in wantedHeaders)) delete headers[name];
  return differencesBetween(want, found);
}

function without(answer: JsonObject, paths: readonly string[]): JsonObject {
  const copy = structuredClone(answer);
  for (const path of paths) {
    const names = path.split('.');
    const last = names.pop() ?? '';
    const parent = pick(copy, names.join('.'));
    if (parent && typeof parent === 'object') delete (parent as JsonObject)[last];
  }
  return copy;
}

type Playing = Target & { agent: Agent };

async function play(step: Step, target: Playing, values: Values): Promise<JsonObject> {
  if ('do' in step) return step.times ? ask(step, step.times, target, values) : askOnce(step, target, values);
  if ('mail' in step) return readMail(step, target, values);
  if ('sql' in step) return runSql(step, target, values);
  if ('mint' in step) return mint(step, values);
  if ('pkce' in step) return makePkce(values);
  if ('set' in step) return setValues(step, values);
  throw new Error(`nobody knows how to play ${JSON.stringify(step)}`);
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  /** Parsed where it is JSON. */
  body: unknown;
  /** Query and fragment of a redirect. */
  location: Record<string, string>;
}

async function askOnce(step: RequestStep, target: Playing, values: Values): Promise<JsonObject> {
  const answer = await send(step, target, values);
  remember(step.save, answer, values);

  const { status, body } = answer;
  const headers: JsonObject = {};
  for (const name of comparedHeaders) {
    const value = answer.headers[name];
    if (value === undefined) continue;
    if (name === 'location') headers[name] = place(String(value), values);
    else headers[name] = normal(String(value).replace(/; charset=utf-8$/i, ''), values, name);
  }
  const isPage = status >= 300 && status < 400 && typeof body === 'string';
  return { status, headers, body: isPage ? '<redirect page>' : normal(body, values, 'body') };
}

async function ask(step: RequestStep, times: number, target: Playing, values: Values): Promise<JsonObject> {
  const answers = await Promise.all(Array.from({ length: times }, () => send(step, target, values)));
  remember(step.save, answers.find(({ status }) => status < 300) ?? answers[0], values);
  const outcomes: Record<string, number> = {};
  for (const { status, body } of answers) {
    const { error_code, code } = (body ?? {}) as { error_code?: string; code?: string };
    const outcome = `${status} ${error_code ?? code ?? ''}`.trim();
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return { outcomes };
}

function send(step: RequestStep, { url, agent }: Playing, values: Values): Promise<Answer> {
  const [, method, path] = /^(\S+) (.*)$/s.exec(step.do) ?? [];
  const headers: Record<string, string> = {};
  if (step.api !== false) headers['x-supabase-api-version'] = '2024-01-01';
  if (step.form) headers['content-type'] = 'application/x-www-form-urlencoded';
  else if (step.body !== undefined) headers['content-type'] = 'application/json';
  if (step.bearer) headers.authorization = `Bearer ${fill(step.bearer, values)}`;
  for (const [name, value] of Object.entries(step.headers ?? {})) {
    if (value === null) delete headers[name];
    else headers[name] = fill(value, values);
  }
  const body = bodyOf(step, values);
  if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body));

  return new Promise((resolve, reject) => {
    const outgoing = request(url + fill(path ?? '', values), { method, headers, agent }, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk) => {
        text += chunk;
      });
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: parsed(text),
          location: parametersOf(incoming.headers.location),
        }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function bodyOf(step: RequestStep, values: Values): string | undefined {
  if (step.raw !== undefined) return fill(step.raw, values);
  if (step.form) return new URLSearchParams(fill(step.form, values)).toString();
  return step.body === undefined ? undefined : JSON.stringify(fill(step.body, values));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parametersOf(url: string | undefined): Record<string, string> {
  const [before = '', fragment] = (url ?? '').split('#');
  return {
    ...Object.fromEntries(new URLSearchParams(before.split('?')[1])),
    ...Object.fromEntries(new URLSearchParams(fragment)),
  };
}

async function readMail(step: MailStep, { mailbox, database }: Playing, values: Values): Promise<JsonObject> {
  const address = fill(step.mail, values).toLowerCase();
  if (step.none) {
    await nothingUnderWay(address, database.pool);
    return { unread: mailbox.unread(address) };
  }
  const mail = await mailbox.next(address).catch(() => undefined);
  if (!mail) return { mail: 'none' };

  const [url] = mail.links;
  remember(step.save, { otp: mail.otp, subject: mail.subject, url, link: parametersOf(url) }, values);
  const links = mail.links.map((link) => {
    const { query, ...rest } = place(link, values) as { query?: JsonObject };
    if (typeof query?.token === 'string' && !query.token.includes('{{')) query.token = '<token>';
    return query ? { ...rest, query } : rest;
  });
  return {
    subject: normal(mail.subject, values),
    to: normal(mail.to, values),
    links,
    has_otp: mail.otp !== undefined,
  };
}

/** Resolves once no mail to the address waits to be sent: from then on what is not in the mailbox does not come. */
async function nothingUnderWay(address: string, pool: pg.Pool): Promise<void> {
  const unsent = 'select from gatehouse.mail_outbox where sent_at is null and lower(recipient) = $1';
  while ((await pool.query(unsent, [address])).rowCount) await new Promise(setImmediate);
}

/** Rows go through `json_agg`, so that a value reads as it does in the recordings, whatever a driver makes of it. */
async function runSql(step: SqlStep, { database }: Playing, values: Values): Promise<JsonObject> {
  const statement = fill(step.sql, values).trim().replace(/;$/, '');
  const isSelect = /^(select|with)\b/i.test(statement);
  const { rows: found } = await database.pool.query(
    isSelect ? `select coalesce(json_agg(t), '[]') as rows from (${statement}) as t` : statement,
  );
  if (!isSelect) return {};
  const { rows } = found[0];
  remember(step.save, { rows, row: rows[0] }, values);
  return { rows: normal(rows, values) };
}

function mint({ mint, header, key, save }: MintStep, values: Values): JsonObject {
  values[save] = jwt(fill(mint, values), { ...(header && { header }), ...(key !== undefined && { key }) });
  return {};
}

function makePkce(values: Values): JsonObject {
  const verifier = randomBytes(40).toString('base64url');
  values.verifier = verifier;
  values.challenge = createHash('sha256').update(verifier).digest('base64url');
  return {};
}

function setValues({ set }: SetStep, values: Values): JsonObject {
  Object.assign(values, fill(set, values));
  return {};
}

/** Times that are text count from the present. */
function jwt(claims: JsonObject, making: { header?: JsonObject; key?: string } = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const absolute = Object.entries(claims).map(([name, value]) =>
    ['exp', 'iat', 'nbf'].includes(name) && typeof value === 'string' ? [name, now + Number(value)] : [name, value],
  );
  return mintJwt(Object.fromEntries(absolute), { key: JWT_SECRET, ...making });
}

function freshValues(): Values {
  const id = randomBytes(6).toString('hex');
  const number = randomInt(1e8, 9e8);
  return {
    email: `ann.${id}@example.com`,
    email2: `bob.${id}@example.com`,
    email3: `cleo.${id}@example.com`,
    phone: `1555${number}`,
    phone2: `1556${number}`,
    password: 'correct horse battery',
    password2: 'another staple entirely',
    unknown_id: randomUUID(),
    anon: jwt({ role: 'anon', iss: 'supabase', iat: '-60', exp: '+3600' }),
    service_role: jwt({ role: 'service_role', iss: 'supabase', iat: '-60', exp: '+3600' }),
  };
}

function remember(saved: Record<string, string> | undefined, answer: unknown, values: Values): void {
  for (const [name, path] of Object.entries(saved ?? {})) {
    const value = pick(answer, path);
    if (value !== undefined) values[name] = value;
  }
}

function pick(from: unknown, path: string): unknown {
  if (path === '') return from;
  return path
    .split('.')
    .reduce((parent, name) => (parent as JsonObject | null | undefined)?.[name], from as Json | undefined);
}

/** `{{name}}` in texts and in names of members is what is known under that name. */
function fill<T>(template: T, values: Values): T {
  if (typeof template === 'string') {
    const whole = /^\{\{([\w.]+)\}\}$/.exec(template)?.[1];
    if (whole !== undefined && whole in values) return values[whole] as T;
    return template.replace(/\{\{([\w.]+)\}\}/g, (mark, name) => String(name in values ? values[name] : mark)) as T;
  }
  if (Array.isArray(template)) return template.map((item) => fill(item, values)) as T;
  if (template && typeof template === 'object') {
    return Object.fromEntries(
      Object.entries(template).map(([name, member]) => [fill(name, values), fill(member, values)]),
    ) as T;
  }
  return template;
}
