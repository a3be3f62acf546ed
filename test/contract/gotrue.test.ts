/** gatehouse answers what GoTrue answered, but for what `vectors/gotrue/differences.json` names with its reason. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../harness/app.ts';
import { replay } from './replay.ts';
import { type Difference, readDifferences, readProfiles, readScenarios } from './scenario.ts';

const profiles = readProfiles();
const differences = readDifferences();
const occurred = new Set<Difference>();

/** The recordings move rows in time by the database's clock, so this gatehouse goes by the real one. */
const realClock = { now: () => new Date(), set: fixed, advance: fixed };
function fixed(): never {
  throw new Error('nobody moves the real clock');
}

describe.each([...Map.groupBy(readScenarios(), ({ profile }) => profile)])('profile %s', (profile, scenarios) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ env: { ...profiles[profile], SECRET_KEY: '' }, clock: realClock });
  });
  afterAll(() => app.close());

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const allowed = differences.filter(({ scenario: name }) => name === scenario.name || name === '*');
    const unwanted = (await replay(scenario, app)).flatMap(({ step, title, differences }) =>
      differences
        .filter((found) => {
          const matching = allowed.filter((a) => (a.step ?? step) === step && found.startsWith(a.path));
          for (const difference of matching) occurred.add(difference);
          return matching.length === 0;
        })
        .map((difference) => `step ${step} ${title}: ${difference}`),
    );
    expect(unwanted, unwanted.join('\n')).toEqual([]);

    const needless = allowed.filter((difference) => difference.scenario !== '*' && !occurred.has(difference));
    expect(needless, 'differences that are allowed and do not occur: take them out').toEqual([]);
  });
});

test('every difference that is allowed everywhere occurs somewhere', () => {
  expect(differences.filter((difference) => difference.scenario === '*' && !occurred.has(difference))).toEqual([]);
});

test('a difference is allowed for a scenario that there is, and says why', () => {
  const names = new Set(['*', ...readScenarios().map(({ name }) => name)]);
  for (const { scenario, path, reason } of differences) {
    expect(names).toContain(scenario);
    expect(path).toMatch(/^\w/);
    expect(reason.length).toBeGreaterThan(20);
  }
});
