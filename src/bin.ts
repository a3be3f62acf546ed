#!/usr/bin/env node
/** What the package puts into a PATH: cli.ts, where Node can run it. An older one would only say what it cannot import. */
const NODE_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  process.stderr.write(`gatehouse needs Node ${NODE_MAJOR} or newer, and this is ${process.version}.\n`);
  process.exit(2);
}
await import('./cli.ts');
