/** How long and how much is measured. */
import { parseArgs } from 'node:util';

export interface Plan {
  /** Pairs of measurements per line, of so many seconds each. */
  rounds: number;
  seconds: number;
  /** Seconds before the first one: connections are made, plans are kept, and V8 is done compiling what is run most. */
  warm_up: number;
  accounts: number;
  sessions: number;
  /** Users of the source that is imported. */
  imported: number;
  /** Rows of each of the four tables of the portal that is moved. */
  portal_rows: number;
  /** Answers that are to be alike in time, of each kind. */
  refusals: number;
  only: string | undefined;
}

const full: Omit<Plan, 'only'> = {
  rounds: 7,
  seconds: 4,
  warm_up: 12,
  accounts: 500,
  sessions: 800,
  imported: 100_000,
  portal_rows: 250_000,
  refusals: 15,
};
const quick: Omit<Plan, 'only'> = {
  rounds: 3,
  seconds: 2,
  warm_up: 1,
  accounts: 200,
  sessions: 400,
  imported: 10_000,
  portal_rows: 50_000,
  refusals: 4,
};

/** @throws TypeError for an option that there is not */
export function readPlan(args: string[]): Plan {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      users: { type: 'string' },
      rows: { type: 'string' },
    },
  });
  const plan = values.quick ? quick : full;
  return {
    ...plan,
    rounds: Number(values.rounds ?? plan.rounds),
    imported: Number(values.users ?? plan.imported),
    portal_rows: Number(values.rows ?? plan.portal_rows),
    only: values.only,
  };
}
