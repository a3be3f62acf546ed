/** `ban_duration`: for how long an administrator bans somebody, in Go's spelling (contract §9.2). */
import { AuthError } from '../errors.ts';

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
/** Go counts nanoseconds in 64 bits: 292 years, which is as long as anybody can be banned. */
const LONGEST_MS = 2 ** 63 / 1e6;
/** No more of what was sent goes back than shows which word is meant. */
const QUOTED_LENGTH = 64;
const PART = /^(\d*)(?:\.(\d*))?([^\d.]*)/;

/**
 * When a ban of this duration from now on ends. `null` where it lifts one: `none` and a duration of zero. A negative one
 * ends in the past, as in GoTrue.
 *
 * @throws AuthError `validation_failed` with Go's own words for what is no duration (`time.ParseDuration`)
 */
export function bannedUntil(ban_duration: string, now: Date): Date | null {
  const milliseconds = ban_duration === 'none' ? 0 : durationMs(ban_duration);
  return milliseconds === 0 ? null : new Date(now.getTime() + milliseconds);
}

function durationMs(text: string): number {
  const refuse = (complaint: string) =>
    new AuthError('validation_failed', { message: `invalid format for ban duration: time: ${complaint}` });
  const quoted = quoteAsGo(text);
  const invalid = () => refuse(`invalid duration ${quoted}`);

  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw invalid();

  let total = 0;
  while (rest !== '') {
    const [part = '', whole = '', fraction, unit = ''] = PART.exec(rest) ?? [];
    if (whole === '' && !fraction) throw invalid();
    if (unit === '') throw refuse(`missing unit in duration ${quoted}`);
    const unitMs = UNIT_MS[unit];
    if (unitMs === undefined) throw refuse(`unknown unit ${quoteAsGo(unit)} in duration ${quoted}`);
    total += Number(`${whole || 0}.${fraction || 0}`) * unitMs;
    if (total > LONGEST_MS) throw invalid();
    rest = rest.slice(part.length);
  }
  return sign * total;
}

/** Go's `time.quote`: bytes outside printable ASCII, quotes and backslashes escaped. Cut where it is long. */
function quoteAsGo(text: string): string {
  let quoted = '';
  for (const character of text.slice(0, QUOTED_LENGTH)) {
    if (character === '"' || character === '\\') quoted += `\\${character}`;
    else if (character >= ' ' && character <= '~') quoted += character;
    else for (const byte of Buffer.from(character)) quoted += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${quoted}"`;
}
