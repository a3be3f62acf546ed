/**
 * A pooler in front of a PostgreSQL, as Supabase has two: in session mode a client keeps its server process, in transaction
 * mode it has whichever is free, until its transaction ends. It lets everybody in and speaks no TLS.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import pg from 'pg';

export interface Pooler {
  /** Of the same database, through the pooler. */
  url: string;
  stop(): Promise<void>;
}

const SSL_REQUEST = 80877103;
const AUTHENTICATION_OK = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
/** BackendKeyData: a pooler's process is itself. */
const KEY = Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]);

export async function startPooler(url: string, mode: 'session' | 'transaction', size = 4): Promise<Pooler> {
  const backends = await Promise.all(Array.from({ length: size }, () => openBackend(url)));
  // The one that was given back last is handed out first, as PgBouncer does.
  const free = backends.map(({ socket }) => socket);
  const clients = new Set<Socket>();

  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => {}).on('close', () => clients.delete(client));
    let backend: Socket | undefined;
    let greeted = false;
    const release = () => {
      if (!backend) return;
      backend.removeAllListeners('data');
      free.push(backend);
      backend = undefined;
    };
    client.on('close', release);
    client.on('data', (chunk: Buffer) => {
      if (!greeted) {
        if (chunk.readInt32BE(4) === SSL_REQUEST) return void client.write('N');
        greeted = true;
        return void client.write(Buffer.concat([AUTHENTICATION_OK, KEY, READY]));
      }
      if (chunk[0] === 'X'.charCodeAt(0)) return void client.end();
      if (!backend) {
        backend = free.pop();
        if (!backend) return void client.destroy();
        const isIdle = watchForIdle();
        backend.on('data', (answer: Buffer) => {
          client.write(answer);
          if (isIdle(answer) && mode === 'transaction') release();
        });
      }
      backend.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const through = new URL(url);
  if (address && typeof address === 'object') through.port = String(address.port);
  return {
    url: through.href,
    stop: async () => {
      for (const client of clients) client.destroy();
      server.close();
      for (const { socket } of backends) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** A connection that node-postgres has signed in, as the bare socket that it then is. */
async function openBackend(url: string): Promise<{ socket: Socket }> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  const { stream: socket } = (client as unknown as { connection: { stream: Socket } }).connection;
  socket.removeAllListeners('data');
  return { socket };
}

/** Reads a server's messages as they come; true when the last of them says that no transaction is open. */
function watchForIdle(): (chunk: Buffer) => boolean {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    let idle = false;
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      const length = 1 + rest.readInt32BE(1);
      idle = rest[0] === READY[0] && rest[5] === READY[5];
      rest = rest.subarray(length);
    }
    return idle && rest.length === 0;
  };
}
