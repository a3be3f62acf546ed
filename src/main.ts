/** Starts the service: environment → database → gatehouse → listen → drain. Exit codes are in service/start-failure.ts. */
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { type Config, readConfig } from './config.ts';
import { prepareDatabase } from './db/prepare-database.ts';
import { addressOf } from './db/unusable.ts';
import { ensureAdministrator } from './home/administrator.ts';
import { type Home, openHome } from './home/home.ts';
import { firstWelcome, nextWelcome, ownDatabaseWelcome } from './home/welcome.ts';
import type { Log } from './http/log.ts';
import { tryAddress, urlOf } from './service/listen.ts';
import { complain, createOutput, endOnFault, type Output } from './service/output.ts';
import { closeInTime, databaseOf, openGatehouse, serve } from './service/serve.ts';
import { exitCodes, StartFailure } from './service/start-failure.ts';
import { listenToStopSignals } from './service/stop-signals.ts';
import { serveAsWorker } from './service/worker.ts';
import { startWorkers } from './service/workers.ts';
import { version } from './version.ts';

/** libuv's threads do name resolution and files, and the hashes too where only the slower package for argon2 loads. */
const SPARE_THREADS = 2;
const LEAST_THREADS = 4;
/** Workers drain, then end their pools; after that they are killed. */
const WORKER_GRACE_SECONDS = 10;

// A reader that went away (`npm start | head`) is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

if (cluster.isWorker) await serveAsWorker(process.env, version);

let killWorkers = () => {};
const signals = listenToStopSignals(() => killWorkers());
let output: Output | undefined;
let exitCode: number = exitCodes.stopped;
try {
  const config = readConfig(process.env);
  output = createOutput(config.settings.log_level, { held: !config.secrets.database });
  endOnFault(output.log);
  await run(config, output);
  output.log.info({}, 'stopped');
} catch (error) {
  output?.release();
  // What breaks because we are ending anyway is not worth a word.
  if (!signals.wasRequested) exitCode = complain(error, output?.log);
}
await output?.log.finish();
process.exit(exitCode);

/** Resolves when a signal has ended it and nothing runs any more. */
async function run(given: Config, { log, screen, release }: Output): Promise<void> {
  await using resources = new AsyncDisposableStack();
  await tryAddress(given.settings);

  const tell = (change: string) => log.info({ change }, 'schema');
  const onFirstStart = (directory: string) =>
    screen(`gatehouse ${version}: the first start makes a database in ${directory} …\n`);
  const home = given.secrets.database ? undefined : await openHome(given, { tell, now: new Date(), onFirstStart });
  if (home) resources.defer(home.postgres.stop);
  const config = home ? readConfig({ ...process.env, ...home.environment }) : given;
  if (!home) await prepareDatabase(databaseOf(config), settingOfDatabase(config), tell);

  const isFirst = await startServing(config, home, log, resources);

  const { settings } = config;
  const connection = databaseOf(config);
  const url = urlOf(settings);
  const database = `${addressOf(connection)}/${connection.database}`;
  if (home) screen((isFirst ? firstWelcome : nextWelcome)({ version, url, home, cwd: process.cwd() }));
  else if (process.stdout.isTTY) screen(ownDatabaseWelcome({ version, url, database }));
  release();
  for (const warning of config.warnings) log.warn({ warning }, 'settings');
  for (const name of config.unknown) log.warn({ name }, 'unknown setting');
  log.info({ version, url, database, workers: settings.web_concurrency, pid: process.pid }, 'listening');

  await Promise.race([signals.requested, ...(home ? [home.postgres.gone] : [])]);
  if (home && !signals.wasRequested) throw databaseEnded(home);
  log.info({ drain_seconds: settings.drain_seconds }, 'stopping');
}

/** In this process, or in as many others as are asked for. Resolves to whether the first administrator was made now. */
async function startServing(
  config: Config,
  home: Home | undefined,
  log: Log,
  resources: AsyncDisposableStack,
): Promise<boolean> {
  const { web_concurrency: count, drain_seconds } = config.settings;
  if (count === 1) {
    process.env.UV_THREADPOOL_SIZE ??= threadsFor(1);
    const gatehouse = resources.adopt(await openGatehouse(config, log), closeInTime);
    const isFirst = home !== undefined && (await ensureAdministrator(gatehouse, home.secrets.administrator));
    const service = await serve(gatehouse, version);
    resources.defer(service.stop);
    return isFirst;
  }

  const isFirst = home !== undefined && (await makeAdministrator(config, home, log));
  const env = { UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? threadsFor(count), ...home?.environment };
  const workers = await startWorkers({ count, env, log });
  killWorkers = workers.kill;
  resources.defer(() => workers.stop(drain_seconds + WORKER_GRACE_SECONDS));
  return isFirst;
}

async function makeAdministrator(config: Config, home: Home, log: Log): Promise<boolean> {
  const gatehouse = await openGatehouse(config, log);
  try {
    return await ensureAdministrator(gatehouse, home.secrets.administrator);
  } finally {
    await closeInTime(gatehouse);
  }
}

/** UV_THREADPOOL_SIZE of each of so many processes: libuv reads it when it first needs a thread. */
function threadsFor(processes: number): string {
  return String(Math.max(LEAST_THREADS, Math.ceil(availableParallelism() / processes) + SPARE_THREADS));
}

/** The variable that a sentence about the connection names. */
function settingOfDatabase({ sources }: Config): string {
  return sources.get('database_url') ?? sources.get('postgres_host') ?? 'POSTGRES_HOST';
}

function databaseEnded({ directory }: Home): StartFailure {
  const message = `The PostgreSQL in ${directory}/postgres has ended (the file log there says why): gatehouse ends as well.`;
  return new StartFailure({ kind: 'database', message });
}
