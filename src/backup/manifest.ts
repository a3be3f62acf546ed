/**
 * What is said of a backup beside it: of what database, when, how large, with what in it. Authenticated with a key that
 * only who can decrypt the backup has, so that a manifest or a proof cannot be made up or exchanged.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AgeKey } from './age-key.ts';
import { BackupFailure } from './failure.ts';

/** Rows or large objects, as their number and a sum over all of them. */
export interface Digest {
  count: number;
  hash: string;
}

/** What a database holds, in one snapshot of it. */
export interface Contents {
  /** Rows by table, quoted where SQL quotes; each with a sum over every value of every column. */
  tables: Record<string, Digest>;
  sequences: Record<string, string>;
  large_objects: Digest;
  /** The last of the audit log; null where it is empty or there is none. */
  newest_event: { id: string; occurred_at: string } | null;
}

/** A role as it has to be there before its objects come back. Nothing here lets anybody sign in. */
export interface RoleFact {
  name: string;
  bypassrls: boolean;
  createrole: boolean;
  createdb: boolean;
  inherit: boolean;
  superuser: boolean;
  member_of: string[];
}

export interface DatabaseFacts {
  name: string;
  server_version: string;
  server_major: number;
  encoding: string;
  collate: string;
  ctype: string;
  locale_provider: 'libc' | 'icu' | 'builtin';
  /** Of a provider other than libc. */
  locale: string | null;
}

/** A file beside the manifest, encrypted. */
export interface StoredFile {
  file: string;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  manifest: 1;
  id: string;
  driver: 'pg_dump';
  database: DatabaseFacts;
  started_at: string;
  /** What the backup holds is what was committed then. */
  snapshot_at: string;
  finished_at: string;
  seconds: number;
  tools: Record<string, string>;
  dump: StoredFile & { format: 'custom'; plain_bytes: number };
  /** What the database is made of; not with a backup of a version that recorded it otherwise. */
  definitions?: StoredFile;
  /** The key it is encrypted for, by its public half. */
  key_id: string;
  roles: RoleFact[];
  contents: Contents;
}

/** What came of restoring a backup. */
export interface Proof {
  proof: 1;
  id: string;
  verified_at: string;
  verdict: 'equal' | 'different';
  /** What differs or went wrong, a sentence each. */
  differences: string[];
  /** What this proof does not cover, a sentence each. */
  not_checked: string[];
  /** How long restoring took, and all of it. */
  restore_seconds: number;
  seconds: number;
  /** How old the snapshot was: what would have been lost. */
  recovery_point_seconds: number;
  /** Where it was restored to. */
  scratch: string;
  newest_event: Contents['newest_event'];
}

/** A statement as it is written to a file: itself and its authentication code. */
export function signed(statement: Manifest | Proof, key: AgeKey): string {
  return `${JSON.stringify({ statement, hmac: codeOf(statement, key) }, null, 1)}\n`;
}

/** What a file says, as far as it can be read at all. Whether to believe it, `checkSigned` says. */
export function readSigned<T extends Manifest | Proof>(text: string): { statement: T; hmac: string } | undefined {
  try {
    const { statement, hmac } = JSON.parse(text);
    return typeof statement?.id === 'string' && typeof hmac === 'string' ? { statement, hmac } : undefined;
  } catch {
    return undefined;
  }
}

export function isAuthentic({ statement, hmac }: { statement: Manifest | Proof; hmac: string }, keys: AgeKey[]) {
  const given = Buffer.from(hmac, 'hex');
  return keys.some((key) => {
    const expected = Buffer.from(codeOf(statement, key), 'hex');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/**
 * The manifest is what was written by who holds one of the keys.
 *
 * @throws BackupFailure
 */
export function checkManifest(signedManifest: { statement: Manifest; hmac: string }, keys: AgeKey[]): void {
  const { id, key_id } = signedManifest.statement;
  if (!keys.some(({ recipient }) => recipient === key_id)) {
    throw new BackupFailure(
      'refused',
      `Backup ${id} was made with the key ${key_id}, which is not in GATEHOUSE_BACKUP_KEY: add the line that belongs to it.`,
    );
  }
  if (!isAuthentic(signedManifest, keys)) {
    throw new BackupFailure(
      'unproven',
      `The manifest of backup ${id} is not what was written: do not trust this backup.`,
    );
  }
}

function codeOf(statement: Manifest | Proof, { macKey }: AgeKey): string {
  return createHmac('sha256', macKey).update(JSON.stringify(statement)).digest('hex');
}
