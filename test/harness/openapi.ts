/** openapi.yaml as tests read it: its operations, and what it says of an answer. */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse } from 'yaml';

export const file = new URL('../../openapi.yaml', import.meta.url);

interface Reference {
  $ref?: string;
}

interface Media {
  schema: object;
  examples?: Record<string, Reference & { value?: unknown }>;
}

export interface DescribedResponse extends Reference {
  description: string;
  headers?: Record<string, Reference & { schema: object }>;
  content?: Record<string, Media>;
}

export interface Operation {
  tags: string[];
  operationId: string;
  description?: string;
  security?: Record<string, string[]>[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, DescribedResponse>;
}

interface Document {
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Record<string, unknown>> };
}

const document: Document = parse(readFileSync(file, 'utf8'));

export const { info, components } = document;

/** `GET /admin/users/{user_id}` and its like, as the document has them. */
export const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) =>
      /^(?:get|post|put|patch|delete)$/.test(method) ? [[`${method.toUpperCase()} ${path}`, operation] as const] : [],
    ),
  ),
);

/** What a reference of the document leads to. */
export function resolved<T extends Reference>(described: T): T {
  if (described.$ref === undefined) return described;
  const steps = described.$ref.slice(2).split('/');
  return steps.reduce((at: unknown, step) => (at as Record<string, unknown>)[unescaped(step)], document) as T;
}

const unescaped = (step: string) => step.replaceAll('~1', '/').replaceAll('~0', '~');

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(closed(document) as object, 'openapi.yaml');

/** With no other members than those that are described: readers of the document bear with new ones, tests find them. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  const isOpenObject = members.type === 'object' && 'properties' in members && !('additionalProperties' in members);
  return isOpenObject ? { ...members, additionalProperties: false } : members;
}

/** What is wrong with a value by a schema of the document; nothing where it is as described. */
export function mistakesIn(value: unknown, schema: object): string[] {
  const validate = ajv.compile(withBase(schema) as object);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }: ErrorObject) => {
    return `${instancePath || 'it'} ${message} ${JSON.stringify(params)}`;
  });
}

/** A part of the document, its references made absolute. */
function withBase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBase);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(closed(value) as object).map(([name, member]) => {
    return [name, name === '$ref' ? `openapi.yaml${member}` : withBase(member)];
  });
  return Object.fromEntries(entries);
}

/** The error codes that a response lists, one per line of its description. */
export function codesOf(response: DescribedResponse): string[] {
  return [...resolved(response).description.matchAll(/^- `(\w+)`: /gm)].map(([, code = '']) => code);
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
  text?: string;
}

/** In what an answer differs from what the document says of this operation; nothing where it is as described. */
export function differences(title: string, { status, headers, body, text }: Answer): string[] {
  const operation = operations.get(title);
  if (!operation) return [`${title} is not described`];
  const described = operation.responses[status];
  if (!described) return [`${title}: ${status} is not described (${text})`];
  const response = resolved(described);

  const found: string[] = [];
  const { schema } = response.content?.['application/json'] ?? {};
  if (schema) found.push(...mistakesIn(body, schema));
  else if (text && !response.content) found.push(`a body is not described: ${text}`);

  for (const [name, header] of Object.entries(response.headers ?? {})) {
    const value = headers[name.toLowerCase()];
    if (value !== undefined)
      found.push(...mistakesIn(value, resolved(header).schema).map((mistake) => `${name}: ${mistake}`));
  }
  const { error, error_code, code } = (body ?? {}) as Record<string, unknown>;
  const refusal = status >= 400 ? (error ?? error_code ?? code) : undefined;
  if (refusal !== undefined && !codesOf(response).includes(String(refusal))) found.push(`${refusal} is not listed`);
  return found.map((difference) => `${title} ${status}: ${difference}`);
}
