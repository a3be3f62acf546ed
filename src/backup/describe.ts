/** What `gatehouse backup` says at a terminal. */
import { onOneLine } from '../migrate/on-one-line.ts';
import type { BackupMade, Expiry, ListedBackup, Verification } from './driver.ts';

const SHOWN_DIFFERENCES = 20;

export function describeMade({
  id,
  database,
  snapshot_at,
  bytes,
  plain_bytes,
  seconds,
  tables,
  rows,
}: BackupMade): string {
  const parts = [
    `${sizeText(bytes)} encrypted (${sizeText(plain_bytes)} before)`,
    ...(tables === undefined || rows === undefined ? [] : [`${number(rows)} rows of ${number(tables)} tables`]),
    `in ${seconds.toFixed(1)} s`,
  ];
  return `backup ${id} of ${database}, as it was at ${snapshot_at}\n${parts.join(', ')}\nnot proven yet: gatehouse backup verify`;
}

export function describeVerification(verification: Verification): string {
  const { id, verdict, differences, checked, not_checked, restore_seconds, seconds, scratch, newest_event } =
    verification;
  const took =
    verdict === 'equal'
      ? `restored in ${restore_seconds.toFixed(1)} s (${scratch}), ${seconds.toFixed(1)} s in all`
      : `found out in ${seconds.toFixed(1)} s (${scratch})`;
  const lines =
    verdict === 'equal'
      ? [`proven: backup ${id} was restored: ${checked}`, took]
      : [
          `NOT PROVEN: backup ${id} is not what was backed up`,
          ...differences.slice(0, SHOWN_DIFFERENCES).map((difference) => `  ${difference}`),
          ...(differences.length > SHOWN_DIFFERENCES ? [`  and ${differences.length - SHOWN_DIFFERENCES} more`] : []),
          took,
        ];
  if (newest_event) lines.push(`its newest audit event is ${newest_event.id}, of ${newest_event.occurred_at}`);
  lines.push(`what happened in the last ${spanText(verification.recovery_point_seconds)} would be lost`);
  if (not_checked.length > 0) lines.push('not checked:', ...not_checked.map((each) => `  ${each}`));
  return lines.map(onOneLine).join('\n');
}

export function describeExpiry({ going, staying }: Expiry, apply: boolean): string {
  const lines = [
    ...staying.map(({ id, reasons }) => `${id}  stays: ${reasons.join(', ')}`),
    ...going.map((id) => `${id}  ${apply ? 'removed' : 'would be removed'}`),
  ];
  if (lines.length === 0) lines.push('There are no backups.');
  else if (going.length === 0) lines.push('Nothing expires.');
  else if (!apply) lines.push('Nothing was removed. Add --apply to do it.');
  return lines.join('\n');
}

/** The first line is what matters: how old the newest state is that is known to come back. */
export function describeList(backups: ListedBackup[], proven: ListedBackup | undefined, now: Date): string {
  const first = proven
    ? `Newest backup proven by a restore: ${ageText(proven.snapshot_at, now)} old (${proven.id}, restored in ${proven.proof?.restore_seconds.toFixed(1)} s).`
    : 'No backup is proven by a restore: gatehouse backup verify.';
  if (backups.length === 0) return 'There are no backups yet: gatehouse backup run.';
  const rows = backups.map(({ id, kind, snapshot_at, bytes, kept, proof, flaw }) => [
    id,
    kind,
    ageText(snapshot_at, now),
    sizeText(bytes),
    proofText(proof, now),
    [...(kept ? ['kept'] : []), ...(flaw === null ? [] : [`NOT USABLE: ${flaw}`])].join(', '),
  ]);
  return `${first}\n\n${table([['ID', 'KIND', 'AGE', 'SIZE', 'PROVEN', ''], ...rows])}`;
}

function proofText(proof: ListedBackup['proof'], now: Date): string {
  if (!proof) return 'never';
  return proof.verdict === 'equal'
    ? `${ageText(proof.verified_at, now)} ago`
    : `FAILED ${ageText(proof.verified_at, now)} ago`;
}

function table(rows: string[][]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function ageText(since: string | null, now: Date): string {
  return since === null ? '?' : spanText((now.getTime() - new Date(since).getTime()) / 1000);
}

function spanText(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
