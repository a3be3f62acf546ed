/**
 * Mail that is owed and mail that leaves. A change and the mail that it owes are one transaction: `enqueue` writes a row. Once
 * that is committed, `wake` has it sent in the background, by whichever instance comes first. So nobody waits for a mail
 * server, none of its failures undoes a sign-up, and a mail survives the process that owed it. A mail may arrive twice, where
 * a process ends between sending it and writing that down; it carries the same Message-ID then.
 */
import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Secrets, Settings } from '../config.ts';
import type { Database, Tx } from '../db/database.ts';
import { faultOf } from '../http/fault.ts';
import type { Log } from '../http/log.ts';
import { contentOf } from './content.ts';
import { spendMailBudget } from './frequency.ts';
import type { Mail } from './mail.ts';
import { findNextDue, insertMail, type OutboxMail, takeDueMail } from './outbox.sql.ts';
import { nextAttempt, recordFailed, recordSent } from './outcome.ts';
import { mistakeInSubject } from './subject.ts';
import { type MailTemplates, noTemplates } from './templates.ts';
import { CONNECTIONS, createTransport, MailNotSent } from './transport.ts';

export interface Mailer {
  /**
   * Owes somebody a mail, in the transaction of what it is about.
   *
   * @throws AuthError `over_email_send_rate_limit` where all accounts together have had their mails
   */
  enqueue(tx: Tx, mail: Mail, now: Date): Promise<void>;
  /** After the commit: sends what is due, in the background. */
  wake(): void;
  /** Sends nothing more. Mails under way get a moment; what is still owed then is sent by others, or after the next start. */
  close(): Promise<void>;
}

export interface MailerOptions {
  settings: Settings;
  secrets: Pick<Secrets, 'smtp_pass'>;
  /** Beside what serves requests: a slow mail server holds nobody's connection. */
  db: Database;
  log: Log;
  clock: () => Date;
  /** The operator's own. */
  templates?: MailTemplates;
}

/** Longer than any attempt takes: every step of one has a time limit. */
const LEASE_SECONDS = 600;
/** Mails that another instance owed and did not send are looked for this often. */
const LOOK_MS = { soonest: 1000, latest: 30_000 };
/** Pauses between attempts to write down what became of a mail, doubling; all of them together are well within the lease. */
const WRITING_MS = { first: 500, last: 60_000 };
const CLOSING_MS = 3000;

export function createMailer({ settings, secrets, db, log, clock, templates = noTemplates }: MailerOptions): Mailer {
  const transport = createTransport(settings, secrets.smtp_pass);
  if (transport.to === 'nowhere') {
    log.warn({}, 'neither SMTP_HOST nor MAILBOX is set: no mail is sent, and addresses cannot be confirmed');
  }
  for (const key of subjectKeys) {
    const reason = mistakeInSubject(settings[key] ?? '');
    if (reason) log.warn({ setting: key.toUpperCase(), reason, instead: 'ours' }, 'a subject cannot be used');
  }

  const senders = new Set<Promise<void>>();
  let isAsked = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  async function enqueue(tx: Tx, mail: Mail, now: Date): Promise<void> {
    await insertMail(tx, {
      id: randomUUIDv7(),
      user_id: mail.user_id,
      recipient: mail.to,
      kind: mail.kind,
      ...contentOf(mail, settings, templates),
      now: now.toISOString(),
    });
    await spendMailBudget(tx, settings, now);
  }

  function wake(): void {
    if (isClosed) return;
    // A sender that finds nothing at this very moment looks again.
    isAsked = true;
    if (senders.size >= CONNECTIONS) return;
    const sender = send().finally(() => {
      senders.delete(sender);
      if (senders.size === 0) void lookLater();
    });
    senders.add(sender);
  }

  async function send(): Promise<void> {
    try {
      while (!isClosed) {
        isAsked = false;
        const [mail] = await takeDueMail(db, { now: clock().toISOString(), lease_seconds: LEASE_SECONDS });
        if (mail) {
          // There may be more where it came from.
          wake();
          await deliver(mail);
        } else if (!isAsked) return;
      }
    } catch (error) {
      if (!isClosed) log.warn({ fault: faultOf(error) }, 'mail waits: the outbox cannot be read or written');
    }
  }

  async function deliver(mail: OutboxMail): Promise<void> {
    let failure: MailNotSent | undefined;
    try {
      await transport.send(mail);
    } catch (error) {
      failure = error instanceof MailNotSent ? error : new MailNotSent('failed', { isFinal: false });
      if (failure !== error) log.error({ fault: faultOf(error), mail: mail.id }, 'fault');
    }
    const { id, kind, attempts } = mail;
    const now = clock();
    if (!failure) {
      await untilWritten(() => recordSent(db, mail, now));
      log.info({ mail: id, kind, attempts }, 'mail sent');
      return;
    }
    const next = failure.isFinal ? undefined : nextAttempt(mail, settings, now);
    await untilWritten(() => recordFailed(db, mail, failure, next, now));
    const fields = { mail: id, kind, attempts, error: failure.summary, next_attempt_at: next?.toISOString() };
    if (next) log.warn(fields, 'mail not sent, and tried again later');
    else log.error(fields, 'mail not sent, and given up');
  }

  /** What is not written down is done again: a mail that has left gets more than one chance to be known as sent. */
  async function untilWritten(write: () => Promise<void>): Promise<void> {
    for (let pause_ms = WRITING_MS.first; ; pause_ms *= 2) {
      try {
        return await write();
      } catch (error) {
        if (isClosed || pause_ms > WRITING_MS.last) throw error;
        await delay(pause_ms, undefined, { ref: false });
      }
    }
  }

  /** What is left over, of this instance or of one that is gone, has its turn when it is due. */
  async function lookLater(): Promise<void> {
    if (isClosed) return;
    let pause = LOOK_MS.latest;
    try {
      const [next] = await findNextDue(db, {});
      if (next?.due_at) pause = Date.parse(next.due_at) - clock().getTime();
    } catch {
      // The next look says so, if it still cannot be read.
    }
    if (isClosed) return;
    clearTimeout(timer);
    timer = setTimeout(wake, Math.min(Math.max(pause, LOOK_MS.soonest), LOOK_MS.latest)).unref();
  }

  // Mail that was owed when the last process ended. The database may not be there yet.
  timer = setTimeout(wake, LOOK_MS.soonest).unref();

  return {
    enqueue,
    wake,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await Promise.race([Promise.all(senders), delay(CLOSING_MS, undefined, { ref: false })]);
      transport.close();
    },
  };
}

const subjectKeys = [
  'mailer_subjects_confirmation',
  'mailer_subjects_recovery',
  'mailer_subjects_magic_link',
  'mailer_subjects_invite',
  'mailer_subjects_email_change',
  'mailer_subjects_reauthentication',
] as const satisfies readonly (keyof Settings)[];
