/** What the identity of a user's own address or number says, in GoTrue's members (contract §2.1). */
import type { Metadata } from '../http/body.ts';

/** `data` are members that somebody gave at sign-up; those of GoTrue win over equal names. */
export function emailIdentityData(
  user_id: string,
  email: string,
  email_verified: boolean,
  data: Metadata = {},
): Metadata {
  return { ...data, sub: user_id, email, email_verified, phone_verified: false };
}

export function phoneIdentityData(user_id: string, phone: string, phone_verified: boolean): Metadata {
  return { sub: user_id, phone, email_verified: false, phone_verified };
}
