/** Which backups stay. No clock: what counts are the periods that have a backup, so that a pause in backups removes none. */
import type { Retention } from '../config/values.ts';

export interface Candidate {
  id: string;
  at: Date;
  kept: boolean;
  /** A restore has shown that it is what was backed up. */
  proven: boolean;
}

export type Reason = 'newest' | 'daily' | 'weekly' | 'monthly' | 'yearly' | 'last proven' | 'kept' | 'minimum';

const periods: Record<keyof Retention, (at: Date) => string> = {
  daily: (at) => at.toISOString().slice(0, 10),
  weekly: mondayOf,
  monthly: (at) => at.toISOString().slice(0, 7),
  yearly: (at) => at.toISOString().slice(0, 4),
};

function mondayOf(at: Date): string {
  const monday = new Date(at);
  monday.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7));
  return monday.toISOString().slice(0, 10);
}

/**
 * Of each backup why it stays; one without a reason may go. The newest stays, the newest that was proven, those that are
 * kept, the newest of each period that the retention counts, and never fewer than `minimum`.
 */
export function whatStays(
  candidates: readonly Candidate[],
  retention: Retention,
  minimum: number,
): Map<string, Reason[]> {
  const newestFirst = [...candidates].sort((a, b) => b.at.getTime() - a.at.getTime() || (a.id < b.id ? 1 : -1));
  const reasons = new Map<string, Reason[]>(newestFirst.map(({ id }) => [id, []]));
  const stays = (candidate: Candidate | undefined, reason: Reason) => {
    if (candidate) reasons.get(candidate.id)?.push(reason);
  };

  stays(newestFirst[0], 'newest');
  for (const [name, periodOf] of Object.entries(periods) as [keyof Retention, (at: Date) => string][]) {
    const newestOf = new Map<string, Candidate>();
    for (const candidate of newestFirst) {
      const period = periodOf(candidate.at);
      if (!newestOf.has(period)) newestOf.set(period, candidate);
    }
    for (const candidate of [...newestOf.values()].slice(0, retention[name])) stays(candidate, name);
  }
  stays(
    newestFirst.find(({ proven }) => proven),
    'last proven',
  );
  for (const candidate of newestFirst) if (candidate.kept) stays(candidate, 'kept');
  let staying = [...reasons.values()].filter((all) => all.length > 0).length;
  for (const candidate of newestFirst) {
    if (staying >= minimum) break;
    if (reasons.get(candidate.id)?.length) continue;
    stays(candidate, 'minimum');
    staying++;
  }
  return reasons;
}
