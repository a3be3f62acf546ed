/** GoTrue's column encryption (contract §5), as GoTrue writes it: what is read here, and never written. */
import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';

export function encryptColumn(
  text: string,
  object_id: string,
  { key_id, key }: { key_id: string; key: Uint8Array },
  nonce: Uint8Array = randomBytes(12),
): string {
  const rowKey = Buffer.from(hkdfSync('sha256', key, '', object_id, 32));
  const cipher = createCipheriv('aes-256-gcm', rowKey, nonce);
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify({
    key_id,
    alg: 'aes-gcm-hkdf',
    data: data.toString('base64'),
    nonce: Buffer.from(nonce).toString('base64'),
  });
}
