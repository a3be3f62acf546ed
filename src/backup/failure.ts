/** Why there is no backup, or no proof of one: a sentence that says what to do, and the exit code that a script can act on. */

/** Exit codes of `gatehouse backup`, documented in docs/backups.md. */
export const exitCodes = {
  done: 0,
  fault: 1,
  usage: 2,
  refused: 3,
  database: 4,
  failed: 5,
  unproven: 6,
  overdue: 7,
  busy: 8,
} as const;

export class BackupFailure extends Error {
  override readonly name = 'BackupFailure';
  readonly kind: Exclude<keyof typeof exitCodes, 'done' | 'fault' | 'overdue'>;

  constructor(kind: BackupFailure['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What an error of the file system means for where backups are kept; the error itself where it is of another kind. */
export function explainStorage(error: unknown, directory: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined || syscall === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new BackupFailure(
      'failed',
      `There is no space left for a backup in ${directory} (${code}): make room there, or expire backups. Nothing of this one was kept.`,
    );
  }
  return new BackupFailure(
    'failed',
    `${directory} cannot be used for backups (${code}): set GATEHOUSE_BACKUP_DIRECTORY to a directory that this account may write.`,
  );
}
