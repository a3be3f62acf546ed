/**
 * `npm run bench`: what gatehouse does per second on this machine, as a ratio to what the machine can do, taken in the
 * same run. README.md, beside this file, says what is measured and how to read it.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { styleText } from 'node:util';
import { importLines } from './import-lines.ts';
import {
  type Line,
  measureBeside,
  median,
  refreshLine,
  signInAll,
  signInLine,
  startDriver,
  userLine,
} from './lines.ts';
import { readPlan } from './plan.ts';
import { portalLine } from './portal-line.ts';
import { buildRig } from './rig.ts';
import { type Measured, table } from './table.ts';

const plan = readPlan(process.argv.slice(2));
const say = (text: string) => process.stdout.write(`${text}\n`);
const tell = (text: string) => process.stderr.write(`${styleText('dim', text, { stream: process.stderr })}\n`);

await using resources = new AsyncDisposableStack();
let isEnding = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Often it comes twice, from the terminal and from npm.
  process.on(signal, () => {
    if (isEnding) return;
    isEnding = true;
    resources.disposeAsync().finally(() => process.exit(1));
  });
}

const loadBefore = loadavg()[0] ?? 0;
tell(`Building: PostgreSQL, ${plan.accounts} people with argon2id hashes, gatehouse …`);
const rig = await buildRig(resources, plan);
const drive = startDriver(resources);
const signedIn = await signInAll(rig, plan.sessions);

const makers: Record<string, () => Promise<Line[]>> = {
  'sign-ins': async () => [await signInLine(rig, drive)],
  refreshes: async () => [await refreshLine(rig, drive, signedIn)],
  user: async () => [userLine(rig, drive, signedIn)],
  import: () => importLines(rig, resources, plan.imported),
  portal: async () => [await portalLine(rig, resources, plan.portal_rows)],
};

const measured: Measured[] = [];
for (const [name, make] of Object.entries(makers)) {
  if (plan.only && plan.only !== name) continue;
  for (const line of await make()) measured.push(await measure(line));
}
const beside = plan.only && plan.only !== 'beside' ? [] : await measureBeside(rig, drive, signedIn, plan);

const [cpu] = cpus();
say(
  table(measured, beside, {
    title: `${availableParallelism()} cores (${cpu?.model.trim() ?? 'unknown'}), load before ${loadBefore.toFixed(1)}, Node.js ${process.versions.node}, ${rig.postgres}`,
    rounds: plan.rounds,
    seconds: plan.seconds,
  }),
);

/** In turns, and each turn the other first, so that what changes with time (load, heat, tables that grow) meets both. */
async function measure(line: Line): Promise<Measured> {
  tell(`${line.name}: warming up …`);
  await line.measureCeiling(plan.warm_up);
  await line.measureOurs(plan.warm_up);
  const rounds: { ceiling: number; ours: number }[] = [];
  for (let n = 0; n < plan.rounds; n++) {
    const ceilingFirst = n % 2 === 0;
    let ceiling = ceilingFirst ? await line.measureCeiling(plan.seconds) : 0;
    const ours = await line.measureOurs(plan.seconds);
    if (!ceilingFirst) ceiling = await line.measureCeiling(plan.seconds);
    rounds.push({ ceiling, ours });
    tell(
      `${line.name}: ${n + 1} of ${plan.rounds}: ${Math.round(ours)} ÷ ${Math.round(ceiling)} = ${(ours / ceiling).toFixed(2)}`,
    );
  }
  const ratios = rounds.map(({ ceiling, ours }) => ours / ceiling);
  return {
    line,
    ceiling: median(rounds.map(({ ceiling }) => ceiling)),
    ours: median(rounds.map(({ ours }) => ours)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}
