/** The identity of a user's own address or number, which says what the account says. */
import type { Tx } from '../db/database.ts';
import { emailIdentityData, phoneIdentityData } from './identity-data.ts';
import { upsertIdentity } from './users.sql.ts';

/** Made where there is none; otherwise what somebody gave at sign-up stays in it. */
export async function setEmailIdentity(tx: Tx, user_id: string, email: string, email_verified: boolean, now: string) {
  const identity_data = emailIdentityData(user_id, email, email_verified);
  await upsertIdentity(tx, { user_id, provider: 'email', identity_data, changed: { email, email_verified }, now });
}

/** The same of a number. */
export async function setPhoneIdentity(tx: Tx, user_id: string, phone: string, phone_verified: boolean, now: string) {
  const identity_data = phoneIdentityData(user_id, phone, phone_verified);
  await upsertIdentity(tx, { user_id, provider: 'phone', identity_data, changed: { phone, phone_verified }, now });
}
