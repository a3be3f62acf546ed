/** How long and how much is measured. */
import { parseArgs } from 'node:util';

export interface Plan {
  /** Pairs of measurements per line, of so many seconds each. */
  rounds: number;
  seconds: number;
  /** Seconds before the first one: code is compiled, connections are made, plans are kept. */
  warm_up: number;
  accounts: number;
  sessions: number;
  /** Users of the source that is imported. */
  imported: number;
  /** Answers that are to be alike in time, of each kind. */
  refusals: number;
  only: string | undefined;
}

const full: Omit<Plan, 'only'> = {
  rounds: 7,
  seconds: 4,
  warm_up: 3,
  accounts: 500,
  sessions: 800,
  imported: 50_000,
  refusals: 15,
};
const quick: Omit<Plan, 'only'> = {
  rounds: 3,
  seconds: 2,
  warm_up: 1,
  accounts: 200,
  sessions: 400,
  imported: 10_000,
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
    },
  });
  const plan = values.quick ? quick : full;
  return {
    ...plan,
    rounds: Number(values.rounds ?? plan.rounds),
    imported: Number(values.users ?? plan.imported),
    only: values.only,
  };
}
