/** The first administrator: made once, so that a newcomer can sign in, read the audit log and manage users. */

import { occasionOfCommand } from '../command.ts';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { grantRole, listCandidates } from '../roles/roles.ts';
import { createUser } from '../users/create-user.ts';
import type { UserRow } from '../users/user.ts';
import { findUser } from '../users/users.sql.ts';
import { findFormerGrant } from './administrator.sql.ts';
import type { Administrator } from './secrets.ts';

/** Who acts, in the words of the audit log. */
const actor = { role: 'operator', username: 'gatehouse' };

/**
 * The user exists, signs in with that password, and holds the roles `auditor` and `admin`, each with its audit event. An
 * earlier start that was cut off is finished. Nothing happens where somebody manages users, or ever did, or where the
 * address is another user's.
 *
 * @returns whether this call made the administrator
 */
export async function ensureAdministrator(gatehouse: Gatehouse, administrator: Administrator): Promise<boolean> {
  const { db, clock } = gatehouse;
  const [former] = await findFormerGrant(db, {});
  if (former?.found) return false;

  const occasion = occasionOfCommand('npm start', clock());
  const user = await createOrFind(gatehouse, administrator, occasion);
  if (!user) return false;
  await grantRole(db, { user_id: user.id, role: 'auditor', actor }, occasion);
  // Last: once it is there, all is done.
  await grantRole(db, { user_id: user.id, role: 'admin', actor }, occasion);
  return true;
}

async function createOrFind(
  gatehouse: Gatehouse,
  { email, password }: Administrator,
  occasion: ReturnType<typeof occasionOfCommand>,
): Promise<UserRow | undefined> {
  const { db, passwords, settings } = gatehouse;
  try {
    return await createUser(
      gatehouse,
      { email, password, email_confirm: true },
      { aud: settings.jwt_aud, actor, occasion },
    );
  } catch (error) {
    if (!(error instanceof AuthError && error.error_code === 'email_exists')) throw error;
  }
  const [candidate] = await listCandidates(db, { email });
  const [user] = candidate ? await findUser(db, { id: candidate.id }) : [];
  // Only whom we made has the password that we made: a user who came over from elsewhere is given nothing.
  const { matches } = await passwords.verify(password, user?.encrypted_password);
  return matches ? user : undefined;
}
