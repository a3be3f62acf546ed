/** A mail server that a test reads from, and that can be as bad as real ones: refuse, take its time, hang up. */
import type { Socket } from 'node:net';
import { simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';

export interface ReceivedMail {
  from: string | undefined;
  to: string | undefined;
  subject: string | undefined;
  /** All headers, lower-case names. */
  headers: ReadonlyMap<string, unknown>;
  html: string | undefined;
  text: string | undefined;
  /** Addresses in the order they stand in the HTML part, or in the text where there is no HTML. */
  links: string[];
  /** Six to ten digits on their own, where there are some. */
  otp: string | undefined;
}

/**
 * `accept` takes every mail. `refuse` answers each recipient with 550, `busy` with 451 (try later). `slow` takes a mail
 * and says nothing until the mode changes, then accepts it. `drop` hangs up where the acceptance should come.
 */
export type MailboxMode = 'accept' | 'refuse' | 'busy' | 'slow' | 'drop';

export interface Mailbox {
  port: number;
  mode: MailboxMode;
  /**
   * The next mail to this address that nobody has read, now or once it arrives.
   *
   * @throws when none has come after five seconds
   */
  next(address: string): Promise<ReceivedMail>;
  /** How many to this address nobody has read; of everybody without an address. */
  unread(address?: string): number;
  /** Forgets everything that has arrived. */
  clear(): void;
  /** Mails that were held by `slow` and wait for another mode. */
  readonly held: number;
  close(): Promise<void>;
}

const PATIENCE_MS = 5_000;

export async function openMailbox(port = 0): Promise<Mailbox> {
  let mode: MailboxMode = 'accept';
  let mails: { to: string; mail: ReceivedMail }[] = [];
  const readers = new Set<() => void>();
  const held = new Set<() => void>();
  const sockets = new Set<Socket>();

  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo(_address, _session, answer) {
      if (mode === 'refuse') answer(smtpError(550, 'no such mailbox here'));
      else if (mode === 'busy') answer(smtpError(451, 'try again later'));
      else answer();
    },
    async onData(stream, session, answer) {
      const mail = await readMail(stream).catch(() => undefined);
      // A client that hangs up in the middle has sent no mail.
      if (!mail) return answer(smtpError(451, 'half a mail'));
      if (mode === 'slow') await new Promise<void>((release) => held.add(release));
      if (mode === 'drop') for (const socket of sockets) socket.destroy();
      else deliver(mail, session);
      answer();
    },
  });
  server.on('error', () => {}); // a client that hangs up is no fault of the server's
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });

  function deliver(mail: ReceivedMail, { envelope }: SMTPServerSession): void {
    for (const { address } of envelope.rcptTo) mails.push({ to: address.toLowerCase(), mail });
    for (const look of readers) look();
  }

  function take(address: string): ReceivedMail | undefined {
    const index = mails.findIndex(({ to }) => to === address.toLowerCase());
    return index < 0 ? undefined : mails.splice(index, 1)[0]?.mail;
  }

  function releaseHeld(): void {
    for (const release of held) release();
    held.clear();
  }

  return {
    port: (server.server.address() as { port: number }).port,
    get mode() {
      return mode;
    },
    set mode(next) {
      mode = next;
      if (next !== 'slow') releaseHeld();
    },
    next(address) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const mail = take(address);
          if (!mail) return;
          clearTimeout(timer);
          readers.delete(look);
          resolve(mail);
        };
        const timer = setTimeout(() => {
          readers.delete(look);
          reject(new Error(`no mail to ${address}; unread: ${mails.map(({ to }) => to).join(', ') || 'none'}`));
        }, PATIENCE_MS);
        readers.add(look);
        look();
      });
    },
    unread: (address) => mails.filter(({ to }) => address === undefined || to === address.toLowerCase()).length,
    clear() {
      mails = [];
    },
    get held() {
      return held.size;
    },
    async close() {
      releaseHeld();
      const closed = new Promise<void>((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function readMail(stream: NodeJS.ReadableStream): Promise<ReceivedMail> {
  const { from, to, subject, headers, html, text } = await simpleParser(stream as Parameters<typeof simpleParser>[0]);
  const shown = (html || text) ?? '';
  const words = shown.replace(/<[^>]*>/g, ' ').replace(/https?:\S+/g, ' ');
  return {
    from: from?.text,
    to: [to]
      .flat()
      .map((addresses) => addresses?.text)
      .join(', '),
    subject,
    headers,
    html: html || undefined,
    text,
    links: [...new Set([...shown.matchAll(/https?:\/\/[^\s"'<>]+/g)].map(([link]) => link.replace(/&amp;/g, '&')))],
    otp: /(?<![\w\d/#-])(\d{6,10})(?![\w\d-])/.exec(words)?.[1],
  };
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
