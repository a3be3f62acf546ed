/** What makes backups, as the command asks it. */
import type { Connection } from '../config/connection.ts';
import type { Reason } from './retention.ts';
import type { Workplace } from './workplace.ts';

export interface BackupDriver {
  /** A backup is there and on record. */
  run(place: Workplace, options: { keep: boolean }): Promise<BackupMade>;
  /** All backups, the newest first. */
  list(): Promise<ListedBackup[]>;
  /** Whether a backup, the newest when `id` is left out, can be restored and is what was backed up; on record. */
  verify(place: Workplace, options: { id: string | undefined; scratch: Connection | undefined }): Promise<Verification>;
  /** What the retention does not ask for is gone and that is on record, or, without `apply`, is told. */
  expire(place: Workplace, options: { apply: boolean }): Promise<Expiry>;
}

export interface BackupMade {
  id: string;
  database: string;
  snapshot_at: string;
  /** On the disk, and before it was encrypted. */
  bytes: number;
  plain_bytes: number;
  seconds: number;
  /** Of a dump alone. */
  tables?: number;
  rows?: number;
}

export interface ListedBackup {
  id: string;
  kind: 'dump' | 'full' | 'diff' | 'incr';
  /** What it holds was committed then; null where the backup cannot be read. */
  snapshot_at: string | null;
  bytes: number;
  kept: boolean;
  /** What came of restoring it the last time; null where nobody has, or that cannot be believed. */
  proof: Pick<Verification, 'verified_at' | 'verdict' | 'restore_seconds' | 'recovery_point_seconds'> | null;
  /** Why not to rely on it, a sentence; null when there is no reason. */
  flaw: string | null;
}

export interface Verification {
  id: string;
  verified_at: string;
  verdict: 'equal' | 'different';
  /** What differs or went wrong, a sentence each. */
  differences: string[];
  /** What was compared, and what is not covered. */
  checked: string;
  not_checked: string[];
  restore_seconds: number;
  seconds: number;
  recovery_point_seconds: number;
  scratch: string;
  newest_event: { id: string; occurred_at: string } | null;
}

export interface Expiry {
  /** Removed, or what would be. */
  going: string[];
  staying: { id: string; reasons: (Reason | 'unreadable' | 'of pgBackRest')[] }[];
}
