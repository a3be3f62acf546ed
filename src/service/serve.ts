/** One process that serves: from a gatehouse to a port, and in order back to nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from '../app.ts';
import type { Connection } from '../config/connection.ts';
import type { Config } from '../config.ts';
import { createGatehouse, type Gatehouse, type RunningGatehouse } from '../gatehouse.ts';
import type { Log } from '../http/log.ts';
import { createHttpServer } from '../http/server.ts';
import { startHousekeeping } from './housekeeping.ts';
import { listen, prepareDrain } from './listen.ts';

/** What the environment describes, once it names a database. */
export function openGatehouse({ settings, secrets }: Config, log: Log): Promise<RunningGatehouse> {
  return createGatehouse({ settings, secrets, connection: databaseOf({ secrets }), log });
}

export function databaseOf({ secrets: { database } }: Pick<Config, 'secrets'>): Connection {
  if (!database) throw new Error('a database is named, or made before');
  return database;
}

/** Statements and mails under way get this long to end once no request is left. */
const CLOSING_SECONDS = 5;

export interface Service {
  /** Not ready any more, no new connections, requests under way finish. Resolves when none is left. */
  stop(): Promise<void>;
}

/**
 * Listens, and from then on answers.
 *
 * @throws AddressUnusable when the address cannot be listened on
 */
export async function serve(gatehouse: Gatehouse, version: string): Promise<Service> {
  const { log, settings } = gatehouse;
  const application = createApp(gatehouse, { version });
  const server = createHttpServer(application.app);
  const drain = prepareDrain(server);
  try {
    await listen(server, settings);
  } catch (error) {
    await application.close();
    throw error;
  }
  const stopHousekeeping = startHousekeeping(gatehouse);

  return {
    async stop() {
      application.drain();
      stopHousekeeping();
      const { cut } = await drain(settings.drain_seconds);
      if (cut > 0) log.warn({ requests: cut, drain_seconds: settings.drain_seconds }, 'requests cut off');
      await application.close();
    },
  };
}

/** Mails under way are sent and connections end, or are left to end with the process. */
export async function closeInTime({ close, log }: RunningGatehouse): Promise<void> {
  const late = delay(CLOSING_SECONDS * 1000, 'late' as const, { ref: false });
  if ((await Promise.race([close(), late])) === 'late') log.warn({ seconds: CLOSING_SECONDS }, 'closing took too long');
}
