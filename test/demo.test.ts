/** `npm run demo` tells its whole story, and ends well only if every line of it held. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

test('every line of the demo holds, the events are the five that happened, and nothing is left behind', async () => {
  const demo = spawn(process.execPath, ['test/demo.ts'], { env: { ...process.env, DEMO_USERS: '200', NO_COLOR: '1' } });
  const [said, complaints, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'close')]);
  expect([code, complaints]).toEqual([0, '']);
  expect(said.match(/✔/g)).toHaveLength(10);
  const events = [...said.matchAll(/^ {4}\d\d:\d\d:\d\d\.\d{3} +(\w+)/gm)].map(([, event]) => event);
  expect(events).toEqual(['login', 'token_introspected', 'token_refreshed', 'logout', 'token_introspected']);
  expect(said).toContain('All of it held');
}, 120_000);
