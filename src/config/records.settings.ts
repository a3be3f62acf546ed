/** Settings of the audit log and of encrypted columns. */
import { secret, setting } from './setting.ts';
import { encryptionKey, encryptionKeys, flag, integer, noneWhenZero, text } from './values.ts';

export const records = {
  audit_log_disable_postgres: setting(
    flag,
    false,
    "Whether Supabase's own table auth.audit_log_entries is left alone. The audit log in audit.events is always written.",
  ),
  audit_retention_days: setting(
    noneWhenZero(integer(0, 36_500)),
    null,
    'After how many days audit events may be removed. 0 or unset: never.',
    { ours: true, awaits: 'removal of old audit events' },
  ),
  security_db_encryption_encrypt: setting(
    flag,
    false,
    'Whether password hashes, second factors and session keys are encrypted in their columns, as GoTrue does it.',
    { awaits: 'encryption of new values' },
  ),
  security_db_encryption_encryption_key_id: setting(text, undefined, 'The id of the key to encrypt with.'),
  security_db_encryption_encryption_key: secret(
    encryptionKey,
    'The key to encrypt with: 32 bytes in base64url. It also decrypts.',
  ),
  security_db_encryption_decryption_keys: secret(
    encryptionKeys,
    'Keys that values may be encrypted with, as id:key separated by commas.',
  ),
};
