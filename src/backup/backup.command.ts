/** `gatehouse backup`: backups made, listed, proven by restoring them, and removed when their time is over. */
import { parseArgs } from 'node:util';
import { CommandFailure, type CommandIo, mistakeInWords } from '../command.ts';
import { type Connection, connectionFromUrl } from '../config/connection.ts';
import { Unfit } from '../config/values.ts';
import type { Secrets, Settings } from '../config.ts';
import { onOneLine } from '../migrate/on-one-line.ts';
import { makeIdentity, readIdentity } from './age-key.ts';
import { describeExpiry, describeList, describeMade, describeVerification } from './describe.ts';
import type { BackupDriver, ListedBackup } from './driver.ts';
import { BackupFailure, exitCodes } from './failure.ts';
import { pgDumpDriver } from './pg-dump-driver.ts';
import { pgBackRestDriver } from './pgbackrest-driver.ts';
import { describeSchedule } from './schedule.ts';
import { atWorkplace, type Workplace } from './workplace.ts';

export const help = `gatehouse backup run [--keep] [--json]
gatehouse backup list [--json]
gatehouse backup verify [ID] [--scratch URL] [--json]
gatehouse backup expire [--apply] [--json]
gatehouse backup keygen
gatehouse backup --schedule

  run      makes a backup of the whole database, encrypted for GATEHOUSE_BACKUP_KEY, in GATEHOUSE_BACKUP_DIRECTORY
  list     shows all backups, and first how old the newest one is that was proven by a restore
  verify   restores a backup, the newest when ID is left out, compares every row with what was recorded when it was made,
           and throws the copy away; of a backup by pgBackRest it reads every value
  expire   says which backups GATEHOUSE_BACKUP_RETENTION does not ask for; --apply removes them
  keygen   prints a key for GATEHOUSE_BACKUP_KEY

  --keep         the backup never expires
  --scratch URL  a server of yours to restore to, as its superuser: a database of its own is made there and dropped;
                 GATEHOUSE_BACKUP_SCRATCH_URL when left out. Without either the embedded PostgreSQL of a development
                 checkout is started
  --schedule     prints units of systemd and lines of cron for run, verify and expire
  --json         one JSON object instead of text

  Exit codes: 0 done, 1 fault, 2 usage or settings, 3 no such backup or not its key, 4 no database, 5 not done: disk, tool
  or scratch server, 6 not proven, 7 (list) no backup of the last GATEHOUSE_BACKUP_MAX_DAYS_UNPROVEN days is proven, 8 another
  one is at work.`;

type BackupIo = Pick<CommandIo, 'stdout' | 'stderr' | 'operator' | 'clock' | 'findDatabase'> & {
  env: NodeJS.ProcessEnv;
  settings: Settings;
  secrets: Pick<Secrets, 'backup_key' | 'backup_scratch_url'>;
};

const DAY_MS = 24 * 3600 * 1000;

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: BackupIo): Promise<number> {
  try {
    const order = parse(args);
    const { verb, values } = order;
    if (verb === 'help') return say(io, help);
    if (verb === 'schedule') return say(io, describeSchedule());
    if (verb === 'keygen') return keygen(io);
    const driver = driverOf(io);
    if (verb === 'list') return await list(driver, io, values.json);
    return await atWork(io, async (place) => {
      if (verb === 'run') {
        const made = await driver.run(place, values);
        return say(io, values.json ? JSON.stringify(made) : describeMade(made));
      }
      if (verb === 'verify') {
        const scratch = scratchOf(io, values.scratch);
        const verification = await driver.verify(place, { id: order.id, scratch });
        say(io, values.json ? JSON.stringify(verification) : describeVerification(verification));
        return verification.verdict === 'equal' ? exitCodes.done : exitCodes.unproven;
      }
      const expiry = await driver.expire(place, values);
      return say(
        io,
        values.json ? JSON.stringify({ ...expiry, applied: values.apply }) : describeExpiry(expiry, values.apply),
      );
    });
  } catch (error) {
    if (!(error instanceof BackupFailure || error instanceof CommandFailure)) throw error;
    if (error instanceof CommandFailure) {
      io.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    io.stderr.write(`${onOneLine(error.message)}\n`);
    return exitCodes[error.kind];
  }
}

function say({ stdout }: BackupIo, text: string): number {
  stdout.write(`${text}\n`);
  return exitCodes.done;
}

async function atWork(io: BackupIo, work: (place: Workplace) => Promise<number>): Promise<number> {
  const connection = await io.findDatabase();
  if (!connection) {
    throw new BackupFailure(
      'database',
      'There is no database: set DATABASE_URL, or run "npm start" once, which makes one.',
    );
  }
  warn(io, connection);
  const { env, operator, clock } = io;
  return atWorkplace({ connection, env, operator, clock }, work);
}

function warn({ stderr }: BackupIo, { weakness }: Connection): void {
  if (weakness) stderr.write(`warning: ${weakness}\n`);
}

/** Where to restore to; undefined where nothing says so. The URL itself is never shown: it holds a password. */
function scratchOf(io: BackupIo, option: string | undefined): Connection | undefined {
  const url = option ?? io.secrets.backup_scratch_url;
  if (url === undefined) return undefined;
  try {
    const connection = connectionFromUrl(url);
    warn(io, connection);
    return connection;
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw usage(`${option === undefined ? 'GATEHOUSE_BACKUP_SCRATCH_URL' : '--scratch'} must be ${error.message}`);
  }
}

/** Made here and shown once; what it encrypts nothing else opens. */
function keygen(io: BackupIo): number {
  const identity = makeIdentity();
  const recipient = readIdentity(identity)?.recipient;
  say(io, `# created: ${io.clock().toISOString()}\n# public key: ${recipient}\n${identity}`);
  io.stderr.write('Keep it in a file that only the account which makes backups can read, and a copy elsewhere.\n');
  return exitCodes.done;
}

async function list(driver: BackupDriver, io: BackupIo, json: boolean): Promise<number> {
  const backups = await driver.list();
  const proven = newestProven(backups);
  const now = io.clock();
  const limit = io.settings.backup_max_days_unproven * DAY_MS;
  const overdue = !proven || now.getTime() - new Date(proven.snapshot_at ?? 0).getTime() > limit;
  const text = json
    ? JSON.stringify({ newest_proven: proven ?? null, overdue, backups })
    : describeList(backups, proven, now);
  say(io, text);
  return overdue ? exitCodes.overdue : exitCodes.done;
}

function newestProven(backups: ListedBackup[]): ListedBackup | undefined {
  return backups.find(({ proof, flaw }) => proof?.verdict === 'equal' && flaw === null);
}

function driverOf({ settings, secrets, env }: BackupIo): BackupDriver {
  const { backup_directory: directory, backup_retention: retention, backup_minimum: minimum } = settings;
  if (directory === undefined) {
    throw new BackupFailure('usage', 'GATEHOUSE_BACKUP_DIRECTORY is not set: it says where backups are kept.');
  }
  const keys = (secrets.backup_key ?? []).map((line) => {
    const key = readIdentity(line);
    if (key) return key;
    throw new BackupFailure('usage', 'GATEHOUSE_BACKUP_KEY holds a line that was mistyped: its checksum is wrong.');
  });
  if (settings.backup_driver === 'pg_dump') return pgDumpDriver({ directory, keys, retention, minimum });
  const { backup_pgbackrest_stanza: name, backup_pgbackrest_config: config } = settings;
  if (name === undefined) {
    throw new BackupFailure(
      'usage',
      'GATEHOUSE_BACKUP_PGBACKREST_STANZA is not set: it says which stanza is this database.',
    );
  }
  return pgBackRestDriver({ stanza: { name, config, env }, directory, keys, minimum });
}

function parse(args: string[]) {
  const { values, positionals } = parsedArgs(args);
  const [verb, id, ...rest] = positionals;
  if (values.help) return { verb: 'help', values } as const;
  if (values.schedule) return { verb: 'schedule', values } as const;
  if (verb === undefined) return { verb: 'help', values } as const;
  if (verb !== 'run' && verb !== 'list' && verb !== 'verify' && verb !== 'expire' && verb !== 'keygen') {
    throw usage('Say run, list, verify, expire or keygen');
  }
  if (rest.length > 0 || (id !== undefined && verb !== 'verify')) throw usage('Only verify takes an id, and one');
  return { verb, id, values } as const;
}

function parsedArgs(args: string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const options = {
    keep: flag,
    apply: flag,
    json: flag,
    schedule: flag,
    help: flag,
    scratch: { type: 'string' },
  } as const;
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw usage(mistakeInWords(error));
  }
}

function usage(sentence: string): BackupFailure {
  return new BackupFailure('usage', `${sentence.replace(/\.$/, '')}. See gatehouse backup --help.`);
}
