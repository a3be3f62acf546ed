/** Backups by pg_dump: a file each, encrypted, with a manifest beside it. */
import type { Retention } from '../config/values.ts';
import type { AgeKey } from './age-key.ts';
import type { BackupDriver, ListedBackup, Verification } from './driver.ts';
import { expireBackups } from './expire.ts';
import { BackupFailure } from './failure.ts';
import { type Contents, isAuthentic, type Manifest, type Proof } from './manifest.ts';
import { runBackup } from './run.ts';
import { listStored, type StoredBackup, sizeOf } from './store.ts';
import { verifyBackup } from './verify.ts';

export interface PgDumpSettings {
  directory: string;
  /** The first encrypts, each decrypts. */
  keys: AgeKey[];
  retention: Retention;
  minimum: number;
}

export function pgDumpDriver({ directory, keys, retention, minimum }: PgDumpSettings): BackupDriver {
  return {
    async run(place, { keep }) {
      const [key] = keys;
      if (!key) throw withoutKey();
      const { id, database, snapshot_at, seconds, dump, contents } = await runBackup(place, { directory, key, keep });
      const { bytes, plain_bytes } = dump;
      return { id, database: database.name, snapshot_at, bytes, plain_bytes, seconds, ...sizesOf(contents) };
    },
    list: async () => Promise.all((await listStored(directory)).map((backup) => listed(backup, keys))),
    async verify(place, options) {
      if (keys.length === 0) throw withoutKey();
      const { proof, manifest } = await verifyBackup(place, { directory, keys, ...options });
      return verificationOf(proof, manifest);
    },
    expire: (place, { apply }) => expireBackups(place, { directory, keys, retention, minimum, apply }),
  };
}

function withoutKey(): BackupFailure {
  return new BackupFailure(
    'usage',
    'GATEHOUSE_BACKUP_KEY is not set, and a backup is never in the clear: make a key with "gatehouse backup keygen", keep a copy elsewhere, and name its file in GATEHOUSE_BACKUP_KEY_FILE.',
  );
}

function sizesOf({ tables }: Contents): { tables: number; rows: number } {
  const digests = Object.values(tables);
  return { tables: digests.length, rows: digests.reduce((sum, { count }) => sum + count, 0) };
}

async function listed(backup: StoredBackup, keys: AgeKey[]): Promise<ListedBackup> {
  const { id, manifest, proof, kept } = backup;
  const bytes = await sizeOf(backup);
  const authentic = proof !== undefined && isAuthentic(proof, keys) ? proof.statement : undefined;
  return {
    id,
    kind: 'dump',
    snapshot_at: manifest?.statement.snapshot_at ?? null,
    bytes: Math.max(bytes, 0),
    kept,
    proof: authentic
      ? {
          verified_at: authentic.verified_at,
          verdict: authentic.verdict,
          restore_seconds: authentic.restore_seconds,
          recovery_point_seconds: authentic.recovery_point_seconds,
        }
      : null,
    flaw: flawOf(backup, bytes, keys),
  };
}

function flawOf({ manifest }: StoredBackup, bytes: number, keys: AgeKey[]): string | null {
  if (!manifest) return 'its manifest cannot be read';
  const { key_id, dump } = manifest.statement;
  if (bytes < 0) return 'its file is missing';
  if (bytes !== dump.bytes) return 'its file is not as long as it was';
  if (!keys.some(({ recipient }) => recipient === key_id)) return `its key ${key_id} is not in GATEHOUSE_BACKUP_KEY`;
  return isAuthentic(manifest, keys) ? null : 'its manifest is not what was written';
}

function verificationOf({ proof: _, ...proof }: Proof, { contents, definitions }: Manifest): Verification {
  const { tables, rows } = sizesOf(contents);
  const count = (number: number) => number.toLocaleString('en');
  const checked = [
    `${count(rows)} rows of ${count(tables)} tables`,
    `${count(Object.keys(contents.sequences).length)} sequences`,
    `${count(contents.large_objects.count)} large objects${definitions ? ', and what the schemas are made of' : ''} are equal`,
  ];
  return { ...proof, checked: checked.join(', ') };
}
