/** `gatehouse clients`: which backend services may ask about tokens, made and disabled at this machine. */
import {
  CommandFailure,
  type CommandIo,
  exitCodes,
  misuse,
  occasionOfCommand,
  operatorOf,
  parseWords,
} from '../command.ts';
import type { Database } from '../db/database.ts';
import { type Client, createClient, disableClient, listClients } from './clients.ts';

export const help = `gatehouse clients create NAME
gatehouse clients list
gatehouse clients disable NAME

  A client is a backend service that asks POST /introspect whether a token is valid. It has an id and a secret of its
  own; the secret is shown when the client is made, and never again. A secret is replaced by making another client and
  disabling the old one, which holds at once and for good.

  NAME is up to 100 letters, digits, blanks and . _ @ : / -  To disable, the id does as well.

  Exit codes: 0 done, or so already, 1 fault, 2 usage, 3 the name is taken or no client's, 4 no database.`;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@:/-]{0,99}$/u;

type ClientsIo = Pick<CommandIo, 'stdout' | 'stderr' | 'operator' | 'clock' | 'openDatabase'>;

const usage = (sentence: string) => misuse('clients', sentence);

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: ClientsIo): Promise<number> {
  try {
    const { verb, named } = parse(args);
    if (verb === 'help') {
      io.stdout.write(`${help}\n`);
      return exitCodes.done;
    }
    const { db, close } = await io.openDatabase();
    try {
      if (verb === 'create') await create(db, named, io);
      if (verb === 'disable') await disable(db, named, io);
      if (verb === 'list') await list(db, io);
      return exitCodes.done;
    } finally {
      await close();
    }
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    io.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
}

async function create(db: Database, named: string, io: ClientsIo): Promise<void> {
  const occasion = occasionOfCommand('clients create', io.clock());
  const client = await createClient(db, { name: named, actor: operatorOf(io) }, occasion);
  if (!client) throw new CommandFailure('refused', 'There is or was a client of that name: choose another.');
  io.stdout.write(`client_id      ${client.client_id}\nclient_secret  ${client.client_secret}\n`);
  // Beside the output, so that a script which keeps that keeps nothing else.
  io.stderr.write('The secret is shown this once. Keep it where the service finds it, and nobody else.\n');
}

async function disable(db: Database, named: string, io: ClientsIo): Promise<void> {
  const occasion = occasionOfCommand('clients disable', io.clock());
  const client = await disableClient(db, { named, actor: operatorOf(io) }, occasion);
  if (!client) throw new CommandFailure('refused', 'There is no client of that name or id.');
  const since = client.disabled_at ? `has been disabled since ${client.disabled_at}` : 'is disabled from now on';
  io.stdout.write(`${client.name} ${since}.\n`);
}

async function list(db: Database, io: ClientsIo): Promise<void> {
  const clients = await listClients(db);
  for (const client of clients) io.stdout.write(`${client.id}  ${client.name}  ${describe(client)}\n`);
  if (clients.length === 0) io.stdout.write('There are no clients.\n');
}

function describe({ created_at, disabled_at, last_used_at }: Client): string {
  const used = last_used_at ? `used ${last_used_at}` : 'never used';
  return `made ${created_at}, ${used}${disabled_at ? `, disabled ${disabled_at}` : ''}`;
}

type Order = { verb: 'help' | 'list'; named?: never } | { verb: 'create' | 'disable'; named: string };

function parse(args: string[]): Order {
  const { values, positionals } = parseWords('clients', args, { help: { type: 'boolean', default: false } });
  const [verb, named, ...rest] = positionals;
  if (values.help || verb === undefined) return { verb: 'help' };
  if (verb !== 'create' && verb !== 'list' && verb !== 'disable') throw usage('Say create, list or disable');
  if (verb === 'list') {
    if (named !== undefined) throw usage('A list is of all clients');
    return { verb };
  }
  if (named === undefined || rest.length > 0) throw usage('Say one name, in quotes if it has blanks');
  if (!NAME.test(named)) throw usage('A name is up to 100 letters, digits, blanks and . _ @ : / -');
  return { verb, named };
}
