/** Mails that were written into a directory because there is no mail server (transport.ts), for whoever tries things out. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface KeptMail {
  /** Of its files, without their ending. */
  name: string;
  sent_at: Date;
  kind: string;
  to: string;
  subject: string;
  text: string;
}

/** As transport.ts names them: nothing else is read, wherever a name comes from. */
const NAME = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d)-(\d{3})Z-([a-z_]{1,40})-[0-9a-f]{12}$/;
const SHOWN_MAX = 200;

/** The newest first. A directory that is not there yet holds none. */
export async function listKeptMails(directory: string): Promise<KeptMail[]> {
  const files = await readdir(directory).catch(() => []);
  const names = files.flatMap((file) => (file.endsWith('.txt') ? [file.slice(0, -'.txt'.length)] : []));
  const newest = names
    .filter((name) => NAME.test(name))
    .sort()
    .reverse()
    .slice(0, SHOWN_MAX);
  const mails = await Promise.all(newest.map((name) => findKeptMail(directory, name)));
  return mails.filter((mail) => mail !== undefined);
}

export async function findKeptMail(directory: string, name: string): Promise<KeptMail | undefined> {
  const [, hour, minute, second, millisecond, kind = ''] = NAME.exec(name) ?? [];
  if (hour === undefined) return undefined;
  const content = await readFile(join(directory, `${name}.txt`), 'utf8').catch(() => undefined);
  const [, to = '', subject = '', text = ''] = /^To: (.*)\nSubject: (.*)\n\n([\s\S]*)$/.exec(content ?? '') ?? [];
  if (content === undefined) return undefined;
  return { name, sent_at: new Date(`${hour}:${minute}:${second}.${millisecond}Z`), kind, to, subject, text };
}

export async function findKeptHtml(directory: string, name: string): Promise<string | undefined> {
  if (!NAME.test(name)) return undefined;
  return readFile(join(directory, `${name}.html`), 'utf8').catch(() => undefined);
}
