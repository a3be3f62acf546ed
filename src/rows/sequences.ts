/** Whether sequences stand where they stood: one that is behind gives out numbers that rows have already. */
import type { NotChecked } from './compare-rows.ts';
import type { Sides } from './compare-table.ts';
import { listSequences, type Position, readPositions, readReach, type SequenceFacts } from './sequences.sql.ts';
import { pinForms } from './settings.sql.ts';

export interface SequenceComparison {
  /** As SQL writes it. */
  sequence: string;
  equal: boolean;
  source: Position | undefined;
  target: Position | undefined;
  /** What is wrong with it, in words. */
  differences: string[];
}

export interface SequencesComparison {
  sequences: SequenceComparison[];
  not_checked: NotChecked[];
}

/**
 * Compares where all sequences of these schemas stand. Both clients are in a transaction of their own.
 *
 * A sequence has no past: of a source that lives on, a snapshot tells where its rows were and not where its sequences were.
 * With `lives_on` a target that is behind the source counts as equal as long as it is past its own rows, and is listed as not
 * checked.
 */
export async function compareSequences(
  sides: Sides,
  schemas: readonly string[],
  { lives_on = false }: { lives_on?: boolean } = {},
): Promise<SequencesComparison> {
  await Promise.all([pinForms(sides.source), pinForms(sides.target)]);
  const there = await readSequences(sides.source, schemas);
  const here = await readSequences(sides.target, schemas);
  const not_checked: NotChecked[] = [];
  const sequences: SequenceComparison[] = [];
  for (const name of [...new Set([...there.keys(), ...here.keys()])].sort()) {
    const [source, target] = [there.get(name), here.get(name)];
    const compared = source ?? target;
    if (!compared) continue;
    const { label } = compared.facts;
    const said = { sequence: label, source: source?.position, target: target?.position };
    if (!source || !target) {
      const differences = [source ? 'the sequence is missing at the target' : 'the sequence is not at the source'];
      sequences.push({ ...said, equal: false, differences });
      continue;
    }
    if (!source.position || !target.position) {
      const side = source.position ? 'target' : 'source';
      not_checked.push({ what: `sequence ${label}`, why: `the role may not read it at the ${side}` });
      continue;
    }
    const stands = distance(source.facts, source.position, target.position);
    const behindRows = stands === 0n ? [] : await behindItsRows(sides, target.facts, target.position);
    const movedOn = lives_on && stands < 0n && behindRows.length === 0;
    if (movedOn) {
      const why = `${describe(stands)}, which may have moved on since the snapshot: set it at the cutover`;
      not_checked.push({ what: `where sequence ${label} stands`, why });
    }
    const differences = stands === 0n || movedOn ? [] : [describe(stands), ...behindRows];
    sequences.push({ ...said, equal: differences.length === 0, differences });
  }
  return { sequences, not_checked };
}

interface Sequence {
  facts: SequenceFacts;
  /** Undefined where the role may not read it. */
  position: Position | undefined;
}

async function readSequences(client: Sides['source'], schemas: readonly string[]): Promise<Map<string, Sequence>> {
  const all = await listSequences(client, schemas);
  const readable = all.filter((facts) => facts.readable);
  const positions = await readPositions(client, readable);
  const known = new Map(readable.map((facts, n) => [facts, positions[n]]));
  return new Map(
    all.map((facts) => [JSON.stringify([facts.schema, facts.name]), { facts, position: known.get(facts) }]),
  );
}

/** The next value that it gives out. */
function next({ increment }: SequenceFacts, { last_value, is_called }: Position): bigint {
  return BigInt(last_value) + (is_called ? BigInt(increment) : 0n);
}

const countsDown = ({ increment }: SequenceFacts) => increment.startsWith('-');

/** How far the target is ahead, in the direction in which the sequence counts; negative where it is behind. */
function distance(facts: SequenceFacts, source: Position, target: Position): bigint {
  const ahead = next(facts, target) - next(facts, source);
  return countsDown(facts) ? -ahead : ahead;
}

function describe(stands: bigint): string {
  return stands < 0n ? `${-stands} behind the source` : `${stands} ahead of the source`;
}

/** Columns at the target with a value that the sequence will give out again. */
async function behindItsRows({ target }: Sides, facts: SequenceFacts, position: Position): Promise<string[]> {
  const coming = next(facts, position);
  const reached = await readReach(target, facts);
  return reached.flatMap(({ label, reach }) => {
    if (reach === null) return [];
    const behind = countsDown(facts) ? coming >= BigInt(reach) : coming <= BigInt(reach);
    return behind ? [`behind ${countsDown(facts) ? 'min' : 'max'} of ${label}`] : [];
  });
}
