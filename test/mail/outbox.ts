/** A mailer on a database of its own, and what became of the mail it owes. */
import { randomUUID } from 'node:crypto';
import { afterAll } from 'vitest';
import { readConfig, type Settings } from '../../src/config.ts';
import { inTransaction } from '../../src/db/database.ts';
import type { Mail, MailKind } from '../../src/mail/mail.ts';
import { createMailer, type Mailer } from '../../src/mail/mailer.ts';
import { createClock } from '../harness/clock.ts';
import { freshDatabase, type TestDatabase } from '../harness/postgres.ts';
import { memoryLog } from '../http/small-app.ts';

const PATIENCE_MS = 10_000;

export interface OutboxRow {
  id: string;
  recipient: string;
  kind: string;
  subject: string;
  body_text: string;
  body_html: string;
  attempts: number;
  /** Attempts whose failure is on record. */
  failures: number;
  is_sent: boolean;
  is_given_up: boolean;
  last_error: string | null;
}

export interface PostOffice {
  database: TestDatabase;
  clock: ReturnType<typeof createClock>;
  log: ReturnType<typeof memoryLog>;
  /** A mailer as an instance has one, with these settings beside a mail server on this port. */
  mailer(port: number | undefined, settings?: Partial<Settings>, smtp_pass?: string): Mailer;
  /** Owes a mail in a transaction that commits, and does not wake anybody. Resolves to its recipient. */
  owe(mailer: Mailer, mail?: Partial<Mail>): Promise<string>;
  rows(recipient?: string): Promise<OutboxRow[]>;
  /** The row once `expected` holds of it, by what somebody else does. */
  eventually(recipient: string, expected: (row: OutboxRow) => boolean): Promise<OutboxRow>;
  events(): Promise<{ action: string; outcome: string; reason: string | null; details: Record<string, unknown> }[]>;
}

/** For one test file; everything ends with it. */
export async function openPostOffice(): Promise<PostOffice> {
  const database = await freshDatabase();
  const clock = createClock();
  const log = memoryLog();
  const mailers: Mailer[] = [];
  afterAll(async () => {
    await Promise.all(mailers.map((mailer) => mailer.close()));
    await database.drop();
  });
  const { db, pool } = database;

  async function rows(recipient?: string) {
    const { rows } = await pool.query<OutboxRow>(
      `select id, recipient, kind, subject, body_text, body_html, attempts, sent_at is not null as is_sent,
              next_attempt_at = 'infinity' as is_given_up, last_error,
              (select count(*)::int from audit.events as e
                where e.action = 'mail_failed' and e.details ->> 'mail' = m.id::text) as failures
         from gatehouse.mail_outbox as m where $1::text is null or recipient = $1 order by id`,
      [recipient],
    );
    return rows;
  }

  return {
    database,
    clock,
    log,
    rows,
    mailer(port, own = {}, smtp_pass) {
      const { settings } = readConfig({
        SECRET_KEY: 'a secret of tests, and of nobody else, in 48 bytes',
        GATEHOUSE_SITE_URL: 'https://portal.example.com',
        ...(port !== undefined && {
          GATEHOUSE_SMTP_HOST: '127.0.0.1',
          GATEHOUSE_SMTP_PORT: String(port),
          GATEHOUSE_SMTP_ADMIN_EMAIL: 'auth@portal.example.com',
        }),
        GATEHOUSE_RATE_LIMIT_EMAIL_SENT: '1000000',
      });
      const mailer = createMailer({
        settings: { ...settings, ...own },
        secrets: { smtp_pass },
        db,
        log: log.log,
        clock: clock.now,
      });
      mailers.push(mailer);
      return mailer;
    },
    async owe(mailer, mail = {}) {
      const to = mail.to ?? `ann.${randomUUID().slice(0, 8)}@example.com`;
      await inTransaction(db, (tx) => mailer.enqueue(tx, exampleMail('confirmation', { to, ...mail }), clock.now()));
      return to;
    },
    async eventually(recipient, expected) {
      const end = Date.now() + PATIENCE_MS;
      for (;;) {
        const [row] = await rows(recipient);
        if (row && expected(row)) return row;
        if (Date.now() > end) throw new Error(`it did not come to that: ${JSON.stringify({ ...row, body_html: '…' })}`);
      }
    },
    async events() {
      const { rows } = await pool.query('select action, outcome, reason, details from audit.events order by id');
      return rows;
    },
  };
}

export const LINK = 'https://auth.example.com/verify?token=t&type=signup&redirect_to=https://portal.example.com';

export function exampleMail(kind: MailKind, mail: Partial<Mail> = {}): Mail {
  const to = mail.to ?? 'ann@example.com';
  return {
    kind,
    user_id: randomUUID(),
    to,
    variables: {
      SiteURL: 'https://portal.example.com',
      ...(kind !== 'reauthentication' && { ConfirmationURL: LINK }),
      Email: kind === 'email_change' ? 'ann@example.com' : to,
      ...(kind === 'email_change' && { NewEmail: 'ann.new@example.com' }),
      SendingTo: to,
      Token: '482913',
      TokenHash: 't',
      Data: {},
      RedirectTo: 'https://portal.example.com',
    },
    ...mail,
  };
}
