/** Accounts that somebody asked for and nobody has shown to be theirs (CVE class 39). */
import type { UserRow } from './user.ts';

/**
 * A sign-up of which nothing is proven: whoever comes next is as good. Not so an account that an administrator prepared or
 * that somebody gets into by other means: there a stranger's password has no business.
 */
export function isUnproven(user: UserRow): boolean {
  return (
    user.confirmed_at === null &&
    user.invited_at === null &&
    user.last_sign_in_at === null &&
    isOwnSignUp(user) &&
    user.identities.every(({ provider }) => provider === 'email')
  );
}

/** The account began with somebody's sign-up: its metadata say what GoTrue and we write then, and nobody else does. */
export function isOwnSignUp({ id, raw_user_meta_data }: UserRow): boolean {
  return raw_user_meta_data?.sub === id;
}
