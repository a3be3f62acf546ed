/**
 * The ceiling of sign-ins, a process of its own: argon2id verifications of gatehouse's cost and nothing else, so many at
 * once. Arguments: package, how many at once, seconds. Sends how many ended per second.
 */
import { ARGON2_COST } from '../src/passwords/hash.ts';

const [engine = '', concurrency = '', seconds = ''] = process.argv.slice(2);
const PASSWORD = 'correct horse battery staple';
const { memory_kib: memoryCost, passes: timeCost, lanes: parallelism } = ARGON2_COST;
const cost = { memoryCost, timeCost, parallelism };

/** The package's own `verify`, of a hash that it made itself. */
async function verification(): Promise<() => Promise<boolean>> {
  if (engine === '@node-rs/argon2') {
    const argon2 = await import('@node-rs/argon2');
    const hash = await argon2.hash(PASSWORD, { ...cost, algorithm: 2 });
    return () => argon2.verify(hash, PASSWORD);
  }
  const argon2 = await import('argon2');
  const hash = await argon2.hash(PASSWORD, cost);
  return () => argon2.verify(hash, PASSWORD);
}

const verify = await verification();
let ended = 0;
const began = performance.now();
const end = began + Number(seconds) * 1000;
await Promise.all(
  Array.from({ length: Number(concurrency) }, async () => {
    while (performance.now() < end) {
      if (!(await verify())) throw new Error('the password of the hash is not its password');
      ended += 1;
    }
  }),
);
process.send?.({ perSecond: ended / ((performance.now() - began) / 1000) });
process.disconnect?.();
