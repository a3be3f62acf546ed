/** gatehouse answers what GoTrue answered, but for what `vectors/gotrue/differences.json` names with its reason. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../harness/app.ts';
import { replay } from './replay.ts';
import { readDifferences, readProfiles, readScenarios } from './scenario.ts';

const profiles = readProfiles();
const differences = readDifferences();
/** A difference of every scenario that meets it. */
const EVERYWHERE = '*';
const everywhere = differences.filter(({ scenario }) => scenario === EVERYWHERE);

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

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
    const ownDifferences = differences.filter((difference) => difference.scenario === name);
    const allowed = [...ownDifferences, ...everywhere];
    const needless = new Set(ownDifferences);
    const unwanted: string[] = [];
    for (const { step, title, difference } of await replay(scenario, app)) {
      const matching = allowed.filter(
        (a) => (a.step === undefined || a.step === step) && difference.startsWith(a.path),
      );
      for (const occurring of matching) needless.delete(occurring);
      if (matching.length === 0) unwanted.push(`step ${step} ${title}: ${difference}`);
    }
    expect(unwanted, unwanted.join('\n')).toEqual([]);
    expect([...needless], 'differences that are allowed and do not occur: take them out').toEqual([]);
  });
});

test('a difference is allowed in a scenario that there is, and says why', () => {
  const names = new Set(readScenarios().map(({ name }) => name));
  for (const { scenario, path, reason } of differences) {
    if (scenario !== EVERYWHERE) expect(names).toContain(scenario);
    expect(path).toMatch(/^[a-z]/);
    expect(reason.length).toBeGreaterThan(20);
  }
});
