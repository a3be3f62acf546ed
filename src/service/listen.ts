/** The port: taken once, with a sentence where that cannot be, and given back without breaking what is under way. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer, type Server as NetServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../config.ts';

/** An address that cannot be listened on: one sentence that says why and what to do. */
export class AddressUnusable extends Error {
  override readonly name = 'AddressUnusable';
}

export type Address = Pick<Settings, 'api_host' | 'api_port'>;

/** @throws AddressUnusable when the address cannot be listened on */
export async function listen(server: NetServer, { api_host: host, api_port: port }: Address): Promise<void> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const why = whyNot(error as NodeJS.ErrnoException, host, port);
    if (why === undefined) throw error;
    throw new AddressUnusable(why, { cause: error });
  }
}

/**
 * Finds out whether the address can be listened on before anything is made or changed. Somebody may still take it before
 * `listen` does.
 *
 * @throws AddressUnusable when it cannot
 */
export async function tryAddress(address: Address): Promise<void> {
  const server = createServer();
  await listen(server, address);
  server.close();
  await once(server, 'close');
}

function whyNot({ code }: NodeJS.ErrnoException, host: string, port: number): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another program: stop it (another gatehouse?), or set PORT to a free one.`;
    case 'EACCES':
      return `Port ${port} on ${host} may not be used by this account: set PORT to one above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAFNOSUPPORT':
      return `${host} is no address of this machine (${code}): set HOST to one that is, 127.0.0.1 or 0.0.0.0.`;
    default:
      return undefined;
  }
}

/** What of it a person can click on: every address of this machine is also `localhost`. */
export function urlOf({ api_host: host, api_port: port }: Address): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

/** Watches a server from its first request on, so that it can be drained. */
export function prepareDrain(server: Server): (seconds: number) => Promise<{ cut: number }> {
  let draining = false;
  let underWay = 0;
  // Before the application's own listener, which may answer at once.
  server.prependListener('request', (_req, res) => {
    underWay += 1;
    if (draining) res.setHeader('Connection', 'close');
    res.once('close', () => {
      underWay -= 1;
      // Its connection is kept for a next request that is not wanted any more.
      if (draining) server.closeIdleConnections();
    });
  });

  /** Takes no more connections, lets requests finish, and after that time ends those that have not. */
  return async (seconds) => {
    draining = true;
    const closed = once(server, 'close').then(() => true);
    server.close();
    server.closeIdleConnections();
    const finished = await Promise.race([closed, delay(seconds * 1000, false, { ref: false })]);
    const cut = finished ? 0 : underWay;
    if (!finished) server.closeAllConnections();
    await closed;
    return { cut };
  };
}
