/** The way to a server, which can end, or be cut so that neither side hears of it: what is sent is taken, and goes nowhere. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TestLine {
  /** The same database, by this way. */
  url: string;
  /** Cuts connections that are open, and those to come as well or not. */
  cut(which: 'open ones' | 'all'): void;
  /** Ends connections that are open, and both sides hear of it. */
  hangUp(): void;
  stop(): Promise<void>;
}

/** @param messages after so many from a client the line is cut by itself */
export async function startLine(url: string, messages = Number.POSITIVE_INFINITY): Promise<TestLine> {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  let alive = new Set<Socket>();
  let isCut = false;
  let left = messages;
  const cut = (which: 'open ones' | 'all') => {
    alive = new Set();
    isCut = which === 'all';
  };
  const server = createServer((client) => {
    const backend = connect(Number(port), hostname);
    if (!isCut) alive.add(client);
    for (const socket of [client, backend]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    client.on('data', (chunk: Buffer) => {
      if (left-- <= 0) cut('all');
      if (alive.has(client)) backend.write(chunk);
    });
    backend.on('data', (chunk: Buffer) => {
      if (alive.has(client)) client.write(chunk);
    });
    client.on('close', () => backend.destroy());
  });
  const hangUp = () => {
    for (const socket of open) socket.destroy();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(typeof address === 'object' ? address?.port : '');
  return {
    url: through.href,
    cut,
    hangUp,
    stop: async () => {
      hangUp();
      server.close();
      await once(server, 'close');
    },
  };
}
