/**
 * Password hashes as they stand in `auth.users.encrypted_password`: every format that GoTrue reads (contract §5), each
 * within a bound on the work and memory that one verification may cost us.
 */

export interface BcryptHash {
  scheme: 'bcrypt';
  cost: number;
  /** In the one spelling that every implementation reads. */
  canonical: string;
}

export interface Argon2Cost {
  memory_kib: number;
  passes: number;
  lanes: number;
}

export interface Argon2Hash extends Argon2Cost {
  scheme: 'argon2i' | 'argon2id';
  salt: Buffer;
  digest: Buffer;
}

/** Firebase's variant: scrypt makes a key, the key encrypts the project's signer key, and the result is what is stored. */
export interface FirebaseScryptHash {
  scheme: 'fbscrypt';
  /** scrypt's N, r and p (RFC 7914). */
  blocks: number;
  block_size: number;
  lanes: number;
  salt: Buffer;
  signer_key: Buffer;
  digest: Buffer;
}

export type EncodedHash = BcryptHash | Argon2Hash | FirebaseScryptHash;

/** bcrypt's own alphabet for base64. */
const BCRYPT_DIGITS = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** GoTrue computes up to cost 31, which is a day and a half; 15 is two seconds. */
const MAX_BCRYPT_COST = 15;

const MAX_ARGON2_MEMORY_KIB = 1024 * 1024;
const MAX_ARGON2_PASSES = 20;
const MAX_ARGON2_LANES = 16;
/** Memory times passes: two seconds of a core here as well. Both at their most are half a minute, beyond the time of any request. */
const MAX_ARGON2_WORK_KIB = 2 * MAX_ARGON2_MEMORY_KIB;
/** What RFC 9106 §3.1 asks for and both engines insist on; Go's computes less, and nobody stores less. */
const MIN_ARGON2_SALT_BYTES = 8;
const MIN_ARGON2_DIGEST_BYTES = 4;
const MIN_ARGON2_KIB_PER_LANE = 8;

/** N·r·p: eight times what Firebase's strongest setting costs, and 128 MiB at most. */
const MAX_SCRYPT_WORK = 2 ** 20;

const PADDED_BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';

// GoTrue reads bcrypt with any minor letter or none, and nothing after the 31 characters of the digest.
const BCRYPT = /^\$2[a-z]?\$(?<cost>\d\d)\$(?<salt>[./A-Za-z0-9]{22})(?<digest>[./A-Za-z0-9]{31})/;
const ARGON2 =
  /^\$(?<scheme>argon2id?)\$v=19\$m=(?<m>\d+),t=(?<t>\d+),p=(?<p>\d+)\$(?<salt>[A-Za-z0-9+/]+)\$(?<digest>[A-Za-z0-9+/]+)$/;
const FBSCRYPT = new RegExp(
  String.raw`^\$fbscrypt\$v=1,n=(?<n>\d+),r=(?<r>\d+),p=(?<p>\d+)(?:,ss=(?<ss>${PADDED_BASE64}))?(?:,sk=(?<sk>${PADDED_BASE64}))?` +
    String.raw`\$(?<salt>${PADDED_BASE64})\$(?<digest>${PADDED_BASE64})$`,
);

/**
 * The hash that a stored value is, or undefined when it is none that we verify: another format (argon2d, PBKDF2, MD5,
 * plain text, an encrypted column), malformed, or more work than anybody's sign-in is worth.
 */
export function readHash(encrypted_password: string): EncodedHash | undefined {
  return readBcrypt(encrypted_password) ?? readArgon2(encrypted_password) ?? readFirebaseScrypt(encrypted_password);
}

/** The PHC string, parameters in the order that GoTrue insists on: m, t, p. */
export function writeArgon2({ scheme, memory_kib, passes, lanes, salt, digest }: Argon2Hash): string {
  return `$${scheme}$v=19$m=${memory_kib},t=${passes},p=${lanes}$${unpadded(salt)}$${unpadded(digest)}`;
}

/** Equal for two hashes whose verification costs the same. */
export function kindOf(hash: EncodedHash): string {
  switch (hash.scheme) {
    case 'bcrypt':
      return `bcrypt ${hash.cost}`;
    case 'fbscrypt':
      return `fbscrypt ${hash.blocks} ${hash.block_size} ${hash.lanes}`;
    default:
      return `${hash.scheme} ${hash.memory_kib} ${hash.passes} ${hash.lanes}`;
  }
}

/** KiB that one verification holds. */
export function memoryKib(hash: EncodedHash): number {
  switch (hash.scheme) {
    case 'bcrypt':
      return 4;
    case 'fbscrypt':
      return (hash.blocks * hash.block_size) / 8;
    default:
      return hash.memory_kib;
  }
}

function readBcrypt(text: string): BcryptHash | undefined {
  const { cost, salt, digest } = BCRYPT.exec(text)?.groups ?? {};
  if (!cost || !salt || !digest || Number(cost) < 4 || Number(cost) > MAX_BCRYPT_COST) return undefined;
  // 22 characters are 132 bits, of which the salt has 128: some writers leave the last four set, some readers mind.
  const last = BCRYPT_DIGITS[BCRYPT_DIGITS.indexOf(salt.slice(-1)) & 0b110000];
  return { scheme: 'bcrypt', cost: Number(cost), canonical: `$2b$${cost}$${salt.slice(0, -1)}${last}${digest}` };
}

function readArgon2(text: string): Argon2Hash | undefined {
  const { scheme, m, t, p, salt, digest } = ARGON2.exec(text)?.groups ?? {};
  if (!salt || !digest || salt.length % 4 === 1 || digest.length % 4 === 1) return undefined;
  const hash: Argon2Hash = {
    scheme: scheme === 'argon2i' ? 'argon2i' : 'argon2id',
    memory_kib: Number(m),
    passes: Number(t),
    lanes: Number(p),
    salt: Buffer.from(salt, 'base64'),
    digest: Buffer.from(digest, 'base64'),
  };
  const bounded =
    within(hash.lanes, 1, MAX_ARGON2_LANES) &&
    within(hash.passes, 1, MAX_ARGON2_PASSES) &&
    within(hash.memory_kib, MIN_ARGON2_KIB_PER_LANE * hash.lanes, MAX_ARGON2_MEMORY_KIB) &&
    hash.memory_kib * hash.passes <= MAX_ARGON2_WORK_KIB &&
    hash.salt.length >= MIN_ARGON2_SALT_BYTES &&
    hash.digest.length >= MIN_ARGON2_DIGEST_BYTES;
  return bounded ? hash : undefined;
}

function readFirebaseScrypt(text: string): FirebaseScryptHash | undefined {
  const { n, r, p, ss = '', sk = '', salt, digest } = FBSCRYPT.exec(text)?.groups ?? {};
  if (!salt || !digest) return undefined;
  const blocks = 2 ** Number(n);
  const block_size = Number(r);
  const lanes = Number(p);
  if (blocks < 2 || block_size < 1 || lanes < 1 || blocks * block_size * lanes > MAX_SCRYPT_WORK) return undefined;
  return {
    scheme: 'fbscrypt',
    blocks,
    block_size,
    lanes,
    salt: Buffer.concat([Buffer.from(salt, 'base64'), Buffer.from(ss, 'base64')]),
    signer_key: Buffer.from(sk, 'base64'),
    digest: Buffer.from(digest, 'base64'),
  };
}

function within(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
