/** How a mail leaves: through a mail server, into a directory, or not at all. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import type { Settings } from '../config.ts';
import type { OutboxMail } from './outbox.sql.ts';

export type OutgoingMail = Pick<
  OutboxMail,
  'id' | 'recipient' | 'kind' | 'subject' | 'body_text' | 'body_html' | 'created_at'
>;

export interface Transport {
  /** Where mails go, for the log. */
  readonly to: 'smtp' | 'directory' | 'nowhere';
  /** @throws MailNotSent */
  send(mail: OutgoingMail): Promise<void>;
  close(): void;
}

/** A mail did not leave. `summary` is codes alone: what servers say in words repeats addresses and accounts. */
export class MailNotSent extends Error {
  override readonly name = 'MailNotSent';
  readonly summary: string;
  /** It will not leave at another time either: the mailbox does not exist, the content is refused. */
  readonly isFinal: boolean;

  constructor(summary: string, { isFinal }: { isFinal: boolean }) {
    super(summary);
    this.summary = summary;
    this.isFinal = isFinal;
  }
}

/** Connections to the mail server, and mails under way at once. */
export const CONNECTIONS = 4;
const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;

export type TransportSettings = Pick<
  Settings,
  'smtp_host' | 'smtp_port' | 'smtp_user' | 'smtp_admin_email' | 'smtp_sender_name' | 'mailbox'
>;

export function createTransport(settings: TransportSettings, smtp_pass: string | undefined): Transport {
  if (settings.smtp_host !== undefined) return smtpTransport(settings.smtp_host, settings, smtp_pass);
  return settings.mailbox === undefined ? noTransport : directoryTransport(settings.mailbox);
}

/**
 * A mail server. TLS from the start on port 465 and by STARTTLS on all others, demanded of every server that is not on this
 * machine, and of the name that it is known by.
 */
function smtpTransport(host: string, settings: TransportSettings, smtp_pass: string | undefined): Transport {
  const { smtp_port, smtp_user, smtp_admin_email = '', smtp_sender_name = '' } = settings;
  const implicitTls = smtp_port === 465;
  const onThisMachine = isLoopback(host);
  const server = nodemailer.createTransport({
    host,
    port: smtp_port,
    secure: implicitTls,
    requireTLS: !implicitTls && !onThisMachine,
    // What a relay on this machine offers proves nothing that the loopback has not, and is mostly signed by itself.
    ...(onThisMachine && { tls: { rejectUnauthorized: false } }),
    ...(smtp_user !== undefined && { auth: { user: smtp_user, pass: smtp_pass ?? '' } }),
    pool: true,
    maxConnections: CONNECTIONS,
    // A mail whose connection broke is tried again by the outbox, which knows that it was.
    maxRequeues: 0,
    connectionTimeout: CONNECT_MS,
    dnsTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    to: 'smtp',
    async send({ id, recipient, subject, body_text, body_html, created_at }) {
      try {
        await server.sendMail({
          // In parts, so that nothing in a name or an address is read as more addresses.
          from: { name: smtp_sender_name, address: smtp_admin_email },
          to: { name: '', address: recipient },
          subject,
          text: body_text,
          html: body_html,
          date: new Date(created_at),
          // The same at each attempt: a mail that arrives twice is seen to be one.
          messageId: `<${id}@${smtp_admin_email.split('@').at(-1)}>`,
          // Nobody's absence note answers (RFC 3834).
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (error) {
        throw notSent(error);
      }
    },
    close: () => server.close(),
  };
}

/** A file of plain text and one of HTML per mail, readable by our account alone. */
function directoryTransport(directory: string): Transport {
  return {
    to: 'directory',
    async send({ id, recipient, kind, subject, body_text, body_html, created_at }) {
      const stamp = new Date(created_at).toISOString().replace(/[:.]/g, '-');
      const name = join(directory, `${stamp}-${kind}-${id.slice(-12)}`);
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeWhole(`${name}.html`, body_html);
        await writeWhole(`${name}.txt`, `To: ${recipient}\nSubject: ${subject}\n\n${body_text}`);
      } catch (error) {
        throw new MailNotSent(String((error as NodeJS.ErrnoException).code ?? 'not written'), { isFinal: false });
      }
    },
    close() {},
  };
}

/** Whoever watches the directory never sees half a file. */
async function writeWhole(path: string, content: string): Promise<void> {
  await writeFile(`${path}.part`, content, { mode: 0o600 });
  await rename(`${path}.part`, path);
}

const noTransport: Transport = {
  to: 'nowhere',
  send: () => Promise.reject(new MailNotSent('no mail server is configured', { isFinal: true })),
  close() {},
};

interface SmtpError extends Error {
  code?: string;
  command?: string;
  responseCode?: number;
  response?: string;
}

/** 5xx to the recipient or the content is final (RFC 5321 §4.2.1); to anything else, somebody can still mend the cause. */
function notSent(error: unknown): MailNotSent {
  const { code = 'failed', command, responseCode, response = '' } = error as SmtpError;
  const enhanced = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(response)?.[0];
  const isRefused = responseCode !== undefined && responseCode >= 500;
  return new MailNotSent([code, responseCode, enhanced].filter((part) => part !== undefined).join(' '), {
    isFinal: isRefused && (command === 'RCPT TO' || code === 'EMESSAGE'),
  });
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}
