/** What a monitoring system asks for every few seconds, in the text format of Prometheus. */
import type { Gatehouse } from '../gatehouse.ts';
import type { Occasion } from '../http/caller.ts';
import { type MailFigures, mailFigures } from '../mail/figures.ts';
import { findAskingClient } from './clients.sql.ts';
import { type ClientCredentials, clientArgs, refuseUnlessLetIn } from './clients.ts';

/**
 * The figures of all instances together: they are counted in the database. For clients alone, because whoever sees a mail being
 * owed learns that an address has an account.
 *
 * @throws AuthError `invalid_client`, alike for every reason, recorded as `request_failed`
 */
export async function readMetrics(
  { db, backgroundDb }: Pick<Gatehouse, 'db' | 'backgroundDb'>,
  client: ClientCredentials,
  occasion: Occasion,
): Promise<string> {
  const [found] = await findAskingClient(db, { ...clientArgs(client), now: occasion.now.toISOString() });
  if (!found) throw new Error('the statement answers with one row');
  await refuseUnlessLetIn(db, found, 'request_failed', occasion);
  return written(await mailFigures(backgroundDb, occasion.now));
}

function written({ owed, put_off, oldest_owed_seconds, given_up }: MailFigures): string {
  return [
    ...metric('gatehouse_mails_owed', 'gauge', 'Mails that have not left yet.', owed),
    ...metric(
      'gatehouse_mails_put_off',
      'gauge',
      'Of those, the ones that the mail server did not take so far.',
      put_off,
    ),
    ...metric(
      'gatehouse_mails_oldest_owed_seconds',
      'gauge',
      'How long the oldest of them has been owed.',
      oldest_owed_seconds,
    ),
    ...metric('gatehouse_mails_given_up', 'gauge', 'Mails of the last 30 days that will never leave.', given_up),
    '',
  ].join('\n');
}

const metric = (name: string, type: 'counter' | 'gauge', help: string, value: number) => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  `${name} ${value}`,
];
