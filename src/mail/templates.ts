/**
 * The HTML of mails where it is the operator's: from a web address, absolute or below SITE_URL as in GoTrue, or from a file
 * (`file:/etc/gatehouse/confirmation.html`). Read before the first request and again from time to time, beside requests and
 * never in one. What cannot be had or used is said in the log and in the audit log, and meanwhile the last good one stands, or
 * ours. A file that is not there or has a mistake at the start refuses the start.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { record } from '../audit/record.ts';
import type { Settings } from '../config.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { faultOf } from '../http/fault.ts';
import type { Log } from '../http/log.ts';
import { compileHtmlTemplate, type HtmlTemplate } from './html-template.ts';
import type { MailKind } from './mail.ts';
import { TemplateMistake } from './template.ts';

export interface MailTemplates {
  /** What a mail of the kind is made with; undefined where it is ours. */
  of(kind: MailKind): HtmlTemplate | undefined;
}

/** A template that the settings name cannot be used: one sentence that says which and why. */
export class TemplateUnusable extends Error {
  override readonly name = 'TemplateUnusable';
}

export interface TemplatesOptions {
  settings: Settings;
  /** For the audit log. */
  db: Database;
  log: Log;
  clock: () => Date;
}

type Source = { kind: 'web'; url: URL } | { kind: 'file'; path: string };

interface Kept {
  setting: string;
  source: Source;
  template: HtmlTemplate | undefined;
  /** When it was last asked for, whatever came of it. */
  asked_at: number;
  /** Why the last attempt failed. */
  failure: string | undefined;
  loading: Promise<void> | undefined;
}

const kinds = ['confirmation', 'recovery', 'magic_link', 'invite', 'email_change', 'reauthentication'] as const;
/** An answer that is not there and read by then is none. */
const ANSWER_MS = 10_000;
/** A portal that takes longer does not hold up the start. */
const START_MS = 5_000;

export const noTemplates: MailTemplates = { of: () => undefined };

/**
 * Reads them all.
 *
 * @throws TemplateUnusable for a file that cannot be read or has a mistake, and an address below a SITE_URL that has none
 */
export async function openTemplates({ settings, db, log, clock }: TemplatesOptions): Promise<MailTemplates> {
  const { mailer_template_max_age, mailer_template_max_size, mailer_template_retry_interval } = settings;
  const kept = new Map<MailKind, Kept>();
  for (const kind of kinds) {
    const given = settings[`mailer_templates_${kind}`];
    if (!given) continue;
    const setting = `MAILER_TEMPLATES_${kind.toUpperCase()}`;
    const source = sourceOf(given, settings.site_url, setting);
    kept.set(kind, { setting, source, template: undefined, asked_at: 0, failure: undefined, loading: undefined });
  }

  async function load(kind: MailKind, it: Kept): Promise<void> {
    it.asked_at = clock().getTime();
    try {
      it.template = compileHtmlTemplate(await textOf(it.source, mailer_template_max_size));
      if (it.failure) log.info({ setting: it.setting }, 'a mail template can be used again');
      it.failure = undefined;
    } catch (error) {
      if (!(error instanceof NoTemplate || error instanceof TemplateMistake)) throw error;
      if (it.failure !== error.message) await tell(kind, it, error.message);
      it.failure = error.message;
    }
  }

  /** Once for as long as the reason is the same. */
  async function tell(kind: MailKind, { setting, template }: Kept, reason: string): Promise<void> {
    const instead = template ? 'the last good one' : 'ours';
    log.warn({ setting, reason, instead }, 'a mail template cannot be used');
    const now = clock();
    const caller = { request_id: randomUUID(), ip: '127.0.0.1', user_agent: undefined, method: 'MAIL', path: kind };
    const event = { actor: { username: 'mailer' }, reason, remarks: { kind, instead } };
    await inTransaction(db, (tx) =>
      record(tx, { action: 'mail_template_failed', outcome: 'failure', ...event }, { caller, now }),
    );
  }

  /** One attempt at a time; resolves whatever comes of it. */
  function reload(kind: MailKind, it: Kept): Promise<void> {
    it.loading ??= load(kind, it)
      .catch((error: unknown) => log.error({ setting: it.setting, fault: faultOf(error) }, 'fault'))
      .finally(() => {
        it.loading = undefined;
      });
    return it.loading;
  }

  await Promise.race([
    Promise.all([...kept].map(([kind, it]) => reload(kind, it))),
    delay(START_MS, undefined, { ref: false }),
  ]);
  for (const { setting, source, failure } of kept.values()) {
    if (source.kind === 'file' && failure)
      throw new TemplateUnusable(`${setting} cannot be used: ${source.path} ${failure}`);
  }

  return {
    of(kind) {
      const it = kept.get(kind);
      if (!it) return undefined;
      const pause_seconds = it.failure ? mailer_template_retry_interval : mailer_template_max_age;
      if (clock().getTime() - it.asked_at >= pause_seconds * 1000) void reload(kind, it);
      return it.template;
    },
  };
}

function sourceOf(given: string, site_url: string, setting: string): Source {
  const trimmed = given.trim();
  if (/^file:\/\//i.test(trimmed)) return { kind: 'file', path: fileURLToPath(trimmed) };
  if (/^file:/i.test(trimmed)) return { kind: 'file', path: resolve(trimmed.slice('file:'.length)) };
  if (/^https?:/i.test(trimmed)) return { kind: 'web', url: new URL(trimmed) };
  if (!/^https?:/i.test(site_url)) {
    throw new TemplateUnusable(
      `${setting} is an address below SITE_URL, and that is no web address: name one with https://, or a file with file:/….`,
    );
  }
  // As GoTrue joins them: the path of SITE_URL stays.
  return { kind: 'web', url: new URL(`${site_url.replace(/\/+$/, '')}/${trimmed.replace(/^\/+/, '')}`) };
}

/** There is no text to be had: the end of a sentence about the address. Never what the other side said. */
class NoTemplate extends Error {
  override readonly name = 'NoTemplate';
}

async function textOf(source: Source, max_bytes: number): Promise<string> {
  const bytes = source.kind === 'file' ? await read(source.path, max_bytes) : await fetched(source.url, max_bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new NoTemplate('is not UTF-8.');
  }
}

async function read(path: string, max_bytes: number): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > max_bytes) throw tooLarge(max_bytes);
    return bytes;
  } catch (error) {
    if (error instanceof NoTemplate) throw error;
    throw new NoTemplate(`cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** Asks that one address: a redirect could lead anywhere, into our own network too. */
async function fetched(url: URL, max_bytes: number): Promise<Uint8Array> {
  try {
    const answer = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { Accept: 'text/html, text/plain' },
    });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      const leadsOn = answer.status >= 300 && answer.status < 400;
      throw new NoTemplate(`answers ${answer.status}${leadsOn ? ', and a redirect is not followed' : ''}.`);
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of answer.body ?? []) {
      length += chunk.length;
      if (length > max_bytes) throw tooLarge(max_bytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof NoTemplate) throw error;
    const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException };
    throw new NoTemplate(
      name === 'TimeoutError'
        ? `has not answered within ${ANSWER_MS / 1000} s.`
        : `cannot be reached (${cause?.code ?? name}).`,
    );
  }
}

const tooLarge = (max_bytes: number) => new NoTemplate(`is larger than ${max_bytes} bytes.`);
