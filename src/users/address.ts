/** How a person is reached: email addresses and phone numbers as GoTrue takes and stores them (contract §2.0). */
import { AuthError } from '../errors.ts';

const EMAIL_MAX_BYTES = 255;
/**
 * The HTML standard's email syntax, ASCII only: no look-alikes, no second `@`, nothing a mail server would read
 * differently than we do. Unlike there, dots in the local part stand between characters (RFC 5321 §4.1.2): to other
 * addresses no mail can be sent.
 */
const EMAIL =
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
/** E.164 without the plus, which is how numbers are stored. */
const PHONE = /^[1-9]\d{1,14}$/;

/**
 * The address as it is stored and looked up: in lower case.
 *
 * @throws AuthError `validation_failed` for what is no address or longer than 255 bytes
 */
export function emailAddress(text: string): string {
  if (Buffer.byteLength(text) > EMAIL_MAX_BYTES) {
    throw new AuthError('validation_failed', { message: 'An email address is too long' });
  }
  if (!EMAIL.test(text)) {
    throw new AuthError('validation_failed', { message: 'Unable to validate email address: invalid format' });
  }
  return text.toLowerCase();
}

/**
 * The number as it is stored and looked up: digits only, blanks and the leading plus removed.
 *
 * @throws AuthError `validation_failed` for what is no E.164 number
 */
export function phoneNumber(text: string): string {
  const digits = phoneDigits(text);
  if (!PHONE.test(digits)) {
    throw new AuthError('validation_failed', { message: 'Invalid phone number format (E.164 required)' });
  }
  return digits;
}

/** The same for a look-up, where what is no number is nobody's. */
export function phoneDigits(text: string): string {
  return text.replaceAll(' ', '').replace(/^\+/, '');
}
