#!/usr/bin/env node
/** Starts a command: `gatehouse migrate users --apply`. */
import { userInfo } from 'node:os';
import { styleText } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { CommandFailure, type CommandIo, exitCodes } from './command.ts';
import { type Connection, connectionFromUrl } from './config/connection.ts';
import { type Config, ConfigMistakes, readConfig, type Secrets, type Settings } from './config.ts';
import { createPool } from './db/pool.ts';
import { prepareDatabase } from './db/prepare-database.ts';
import { homeExists, openHomeDatabase } from './home/home.ts';
import { version } from './version.ts';

/** What a command gets beside the io of all: the environment, for those that are about it, with what it sets. */
type Io = CommandIo & { env: NodeJS.ProcessEnv; settings: Settings; secrets: Secrets };

interface Entry {
  /** The words it is called by. */
  name: string;
  /** What it is for, in the list of all. */
  summary: string;
  load: () => Promise<{ help: string; run(args: string[], io: Io): Promise<number> }>;
}

/** In the order in which somebody needs them. */
const commands: Entry[] = [
  {
    name: 'serve',
    summary: 'the service itself, until it is stopped',
    load: () => import('./service/serve.command.ts'),
  },
  {
    name: 'migrate plan',
    summary: 'look at a Supabase database: what moves, what stays, what stands in the way',
    load: () => import('./plan/plan.command.ts'),
  },
  {
    name: 'migrate users',
    summary: 'carry users, password hashes and live sessions over from Supabase',
    load: () => import('./migrate/users.command.ts'),
  },
  {
    name: 'migrate copy',
    summary: 'copy a whole portal from Supabase: roles, schemas, rows and users',
    load: () => import('./copy/copy.command.ts'),
  },
  {
    name: 'migrate verify',
    summary: 'prove that a portal arrived, down to row and column, or name what did not',
    load: () => import('./verify/verify.command.ts'),
  },
  {
    name: 'migrate rehearse',
    summary: 'the whole move for practice, into a scratch database that is removed again',
    load: () => import('./report/rehearse.command.ts'),
  },
  {
    name: 'migrate report',
    summary: 'a document of what was moved and what shows that it arrived',
    load: () => import('./report/report.command.ts'),
  },
  {
    name: 'backup',
    summary: 'backups: made, listed, proven by restoring them, removed when their time is over',
    load: () => import('./backup/backup.command.ts'),
  },
  {
    name: 'roles',
    summary: 'who may read the audit log, and who manages users',
    load: () => import('./roles/roles.command.ts'),
  },
  {
    name: 'clients',
    summary: 'backend services that may ask whether a token is valid',
    load: () => import('./clients/clients.command.ts'),
  },
  {
    name: 'keys',
    summary: 'the API keys that go with a SECRET_KEY of yours',
    load: () => import('./access-tokens/api-keys.command.ts'),
  },
  {
    name: 'settings explain',
    summary: 'every setting: its value here, where that is from, what it does',
    load: () => import('./config/settings.command.ts'),
  },
];

// A reader that has seen enough (`gatehouse … | head`) ends us, as it ends every program.
const BROKEN_PIPE = 141;
const endByPipe = ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? BROKEN_PIPE : exitCodes.fault);
for (const stream of [process.stdout, process.stderr]) stream.on('error', endByPipe);

// A URL among the words has a password, which anybody on this machine could read in the list of processes.
const given = process.argv.slice(2);
process.title = 'gatehouse';
// A connection is what its URL says, whatever is meant for PostgreSQL's own programs.
delete process.env.PGOPTIONS;

process.exitCode = await gatehouse(given, process.env);

async function gatehouse(words: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined || first === '--help' || first === '-h') return say(overview());
  if (first === '--version' || first === '-v') return say(`gatehouse ${version}\n`);
  if (first === 'help') return rest.length === 0 ? say(overview()) : gatehouse([...rest, '--help'], env);

  const command = commands
    .filter(({ name }) => name.split(' ').every((word, place) => word === words[place]))
    .sort((a, b) => b.name.length - a.name.length)[0];
  if (!command) return refuse(exitCodes.usage, unknownCommand(words));

  // The service outlives its readers, and says so itself.
  const isService = command.name === 'serve';
  if (isService) for (const stream of [process.stdout, process.stderr]) stream.off('error', endByPipe);
  // A command waits for PostgreSQL, often on the machine of PostgreSQL: there memory is worth more than speed. V8 asks
  // for these flags anew at each collection, so that they need not be on the command line.
  if (!isService) for (const flag of ['--optimize-for-size', '--semi-space-growth-factor=1']) setFlagsFromString(flag);
  await using ends = new AsyncDisposableStack();
  const { run } = await command.load();
  const args = words.slice(command.name.split(' ').length).map((arg) => (arg === '-h' ? '--help' : arg));
  try {
    return await run(args, createIo(command.name, env, ends));
  } catch (error) {
    if (error instanceof ConfigMistakes) return refuse(exitCodes.usage, error.mistakes.join('\n'));
    if (error instanceof CommandFailure) return refuse(error.exitCode, error.message);
    const { createLog } = await import('./http/log.ts');
    createLog({ level: 'fatal', destination: process.stderr }).fatal({ error }, 'a fault of gatehouse');
    return exitCodes.fault;
  }
}

function createIo(command: string, env: NodeJS.ProcessEnv, ends: AsyncDisposableStack): Io {
  // Read when it is asked for: `--help` is given whatever the environment says.
  let config: Config | undefined;
  const read = () => {
    config ??= readConfig(env, 'command');
    return config;
  };
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env,
    clock: () => new Date(),
    operator: operator(),
    get settings() {
      return read().settings;
    },
    get secrets() {
      return read().secrets;
    },
    findDatabase: () => findDatabase(read(), ends),
    openDatabase: async () => {
      const { settings, secrets, sources } = read();
      const connection = await findDatabase({ settings, secrets }, ends);
      if (!connection) {
        throw new CommandFailure(
          'database',
          `There is no database: set DATABASE_URL, or run "npm start" once, which makes one in ${settings.data_directory}.`,
        );
      }
      const setting = sources.get('database_url') ?? sources.get('postgres_host') ?? settings.data_directory;
      await asCommandFailure(() => prepareDatabase(connection, setting, tell));
      // Most of what loading takes, and nothing that `--help` needs.
      const { createDatabase } = await import('./db/database.ts');
      const pool = createPool({ connection, application_name: `gatehouse ${command}`, max: 2 });
      return { db: createDatabase(pool), close: () => pool.end() };
    },
  };
}

/** The database that the settings name, else that of `npm start`: as it runs, or started until the command ends. */
async function findDatabase(
  { settings, secrets }: Pick<Config, 'settings' | 'secrets'>,
  ends: AsyncDisposableStack,
): Promise<Connection | undefined> {
  if (secrets.database) return secrets.database;
  if (!homeExists(settings.data_directory)) return undefined;
  const { url, stop } = await asCommandFailure(() => openHomeDatabase(settings.data_directory, tell));
  ends.defer(stop);
  return connectionFromUrl(url);
}

async function asCommandFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Knows every room that can fail to start, and so loads them all.
    const { failureOf } = await import('./service/start-failure.ts');
    const failure = failureOf(error);
    throw failure ? new CommandFailure('database', failure.message) : error;
  }
}

/** Beside what the command has to say. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function operator(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that no account has.
    return `uid ${process.getuid?.()}`;
  }
}

function say(text: string): number {
  process.stdout.write(text);
  return exitCodes.done;
}

function refuse(exitCode: number, sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return exitCode;
}

function unknownCommand(words: string[]): string {
  const begun = commands.filter(({ name }) => name.startsWith(`${words[0]} `)).map(({ name }) => name);
  if (begun.length > 0) return `Say which: gatehouse ${begun.join(', gatehouse ')}.`;
  // What is no command could be a URL with its password: it is not repeated.
  return 'There is no such command. See gatehouse --help.';
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${styleText('cyan', name.padEnd(width))}  ${summary}`);
  return `gatehouse ${version}: the auth service in front of your own PostgreSQL

${styleText('bold', 'Commands')}
${lines.join('\n')}

  gatehouse COMMAND --help says more about one; gatehouse --version.
  In a checkout: npm run gatehouse -- COMMAND (npm run -s where a file or a program reads it). The service itself starts with
  npm start.

${styleText('bold', 'Which database')}
  DATABASE_URL, or POSTGRES_HOST and its like; without them the one that npm start keeps in .gatehouse, which is started
  for the command where it is not running.

${styleText('bold', 'Exit codes')}
  0 done, 1 fault, 2 usage or settings, 4 no database that can be used; others are a command's own, in its --help.
`;
}
