/** One of WEB_CONCURRENCY processes that serve. The side that starts and ends it is workers.ts. */
import { readConfig } from '../config.ts';
import { createLog } from '../http/log.ts';
import { endOnFault } from './output.ts';
import { closeInTime, openGatehouse, serve } from './serve.ts';
import { exitCodes, failureOf } from './start-failure.ts';
import { type CannotStart, STOP } from './workers.ts';

/** Serves until it is told to stop, and ends the process. Where nobody is left who could tell it, node:cluster ends it. */
export async function serveAsWorker(env: NodeJS.ProcessEnv, version: string): Promise<never> {
  const stop = Promise.withResolvers<void>();
  process.on('message', (message) => message === STOP && stop.resolve());
  process.on('SIGTERM', stop.resolve);
  // A terminal sends these to every process of ours; the one that started us passes on what they mean.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  try {
    const config = readConfig(env);
    const log = createLog({ level: config.settings.log_level });
    endOnFault(log);
    const gatehouse = await openGatehouse(config, log);
    const service = await serve(gatehouse, version);
    await stop.promise;
    await service.stop();
    await closeInTime(gatehouse);
    await log.finish();
    process.exit(exitCodes.stopped);
  } catch (error) {
    const failure = failureOf(error) ?? { kind: 'fault' as const, message: `A worker cannot start: ${error}.` };
    const cannotStart: CannotStart = { cannotStart: { kind: failure.kind, message: failure.message } };
    await new Promise((resolve) => process.send?.(cannotStart, undefined, undefined, resolve));
    process.exit(exitCodes[failure.kind]);
  }
}
