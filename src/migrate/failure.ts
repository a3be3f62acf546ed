/** Why a migration did not happen: one sentence that says what to do, and the exit code that a script can act on. */
import pg from 'pg';

/** Exit codes of `gatehouse migrate`, whichever step it is. */
export const exitCodes = {
  done: 0,
  fault: 1,
  usage: 2,
  source: 3,
  target: 4,
  lost: 5,
  unequal: 6,
  conflicts: 7,
  busy: 8,
  /** Something must be mended first, on either side. Nothing was changed. */
  obstacle: 9,
} as const;

export type FailureKind = Exclude<keyof typeof exitCodes, 'done' | 'conflicts'>;

/** A step that stopped. */
export class MigrationFailure extends Error {
  override readonly name = 'MigrationFailure';
  readonly kind: FailureKind;
  /** What may be recorded: the message without the address of a person. Neither ever holds a secret. */
  readonly reason: string;

  constructor(kind: FailureKind, message: string, reason = message) {
    super(message);
    this.kind = kind;
    this.reason = reason;
  }
}

/** A connection that is open, and over which nothing is to be expected any more. */
export class Silence extends Error {
  override readonly name = 'Silence';

  constructor(seconds: number, state: 'not at work' | 'silent') {
    const found = {
      'not at work': 'is not at work on what it was asked: the answer is lost on the way',
      silent: 'does not answer on a new connection either: it hangs, or the way to it is cut',
    };
    super(`for ${seconds} seconds it has said nothing, and it ${found[state]}`);
  }
}

/** One of the two databases, as a sentence may name it: never with its password. */
export interface Side {
  name: 'source' | 'target';
  /** host:port/database */
  address: string;
  role: string;
}

/** What the ledger and the audit log say of an error. A fault's own message might hold a row's values. */
export function reasonOf(error: unknown): string {
  return error instanceof MigrationFailure ? error.reason : 'unexpected fault';
}

export const NOTHING_CHANGED = 'Nothing was changed at the target; run the command again.';

/** SQLSTATE → what happened and what to do about it. */
const byState: Record<string, (side: Side, error: pg.DatabaseError) => MigrationFailure> = {
  '3D000': (side) => unusable(side, `there is no database of that name at ${side.address}`, 'Check the URL'),
  '28P01': (side) => unusable(side, `${side.address} refuses the password of role ${side.role}`, 'Check the URL'),
  '28000': (side) =>
    unusable(side, `${side.address} does not let role ${side.role} in`, 'Check the URL and pg_hba.conf'),
  '53300': (side) => unusable(side, `${side.address} has no connection left`, 'Close some, or wait, and run again'),
  '42501': (side, error) =>
    unusable(side, `role ${side.role} lacks a right (${error.message})`, `Use ${mightierRole(side)}`),
  '57P03': (side, { message }) =>
    unusable(side, `${side.address} does not accept connections yet (${message})`, 'Run again when it does'),
  '53100': (side) => unusable(side, 'its disk is full', 'Make room there, and run again'),
  '58030': (side) => unusable(side, 'its disk fails', 'Look at its log and its disk, and run again'),
  '55P03': (side) =>
    unusable(side, 'another transaction holds a lock on a table for too long', 'Run again when it has ended'),
  '57014': (side) => unusable(side, 'a statement was cancelled', 'Run again'),
  '23505': (side, error) => {
    const what = `a row of auth.${error.table} collides with one that is there already (${error.constraint}`;
    const todo = 'Remove one of the two';
    const { message } = unusable(side, `${what}${collision(error)})`, todo);
    return new MigrationFailure(side.name, message, unusable(side, `${what})`, todo).message);
  },
  '23503': (side, error) =>
    unusable(
      side,
      `${error.constraint} of ${error.schema}.${error.table} would be broken`,
      'Mend the rows it is about',
    ),
};

/** Constraints whose values may be shown: addresses, not secrets. */
const tellableConstraints = new Set(['users_email_partial_key', 'users_phone_key']);

function collision({ constraint, detail }: pg.DatabaseError): string {
  return constraint && tellableConstraints.has(constraint) && detail ? `: ${detail.replace(/\.$/, '')}` : '';
}

function mightierRole({ name }: Side): string {
  return name === 'source'
    ? 'the role `postgres` of the project, which may read every table'
    : 'the owner of the schemas auth and gatehouse';
}

export function unusable(side: Side, what: string, todo: string): MigrationFailure {
  return new MigrationFailure(side.name, `The ${side.name} cannot be used: ${what}. ${todo}.`);
}

/** Node's and TLS's own words for a connection that could not be made. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOENT',
]);

/**
 * What an error of one side means to the operator: a MigrationFailure where we know, else the error as it was. A class 22
 * error (a value that does not fit) names the place and not the value.
 */
export function explain(error: unknown, side: Side): unknown {
  if (error instanceof MigrationFailure || !(error instanceof Error)) return error;
  if (error instanceof pg.DatabaseError) {
    const known = byState[error.code ?? '']?.(side, error);
    if (known) return known;
    if (error.code?.startsWith('22')) {
      const place = /^COPY [^:]*/.exec(error.where ?? '')?.[0] ?? `auth.${error.table ?? '?'}`;
      return unusable(side, `a value does not fit (${place}, SQLSTATE ${error.code})`, 'Compare the two tables');
    }
    if (error.code && /^(57P0|08(?!P01))/.test(error.code)) return lost(side);
    // A pooler that knows no such project, for one, has no SQLSTATE of its own for that.
    if (error.severity === 'FATAL') {
      return unusable(side, `${side.address} refuses the connection (${error.message})`, 'Check the URL');
    }
    return error;
  }
  if (error instanceof Silence) {
    return new MigrationFailure(
      'lost',
      `The ${side.name} does not answer any more (${side.address}): ${error.message}. ${NOTHING_CHANGED}`,
    );
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code && unreachable.has(code)) {
    return unusable(side, `${side.address} cannot be reached (${code})`, 'Check host and port');
  }
  if (/timeout expired|timeout exceeded|read timeout|terminated due to connection timeout/.test(error.message)) {
    return unusable(side, `${side.address} does not answer`, 'Check host, port and firewall');
  }
  if (/does not support SSL/.test(error.message)) {
    return unusable(side, `${side.address} does not speak TLS`, 'Add sslmode=disable to the URL if that is intended');
  }
  if (/password must be a (?:non-empty )?string/.test(error.message)) {
    return unusable(side, `${side.address} asks for the password of role ${side.role}`, 'Add it to the URL');
  }
  if (/establishing an SSL connection/.test(error.message)) {
    return unusable(side, `what answers at ${side.address} is not PostgreSQL`, 'Check host and port');
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return unusable(
      side,
      `the certificate of ${side.address} is for another name`,
      'Use the name that it is for, or sslmode=verify-ca with sslrootcert',
    );
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return unusable(side, `the certificate of ${side.address} has expired`, 'Renew it');
  }
  if (code && /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    return unusable(
      side,
      `the certificate of ${side.address} is not trusted (${code})`,
      'Name its authority with sslrootcert',
    );
  }
  if (
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    /Connection terminated|not queryable|Client was closed/.test(error.message)
  ) {
    return lost(side);
  }
  return error;
}

/** Does work that asks one side alone, and explains its errors as that side's. */
export async function asking<T>(side: Side, work: () => Promise<T>, explained = explain): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explained(error, side);
  }
}

function lost(side: Side): MigrationFailure {
  return new MigrationFailure('lost', `The ${side.name} went away (${side.address}). ${NOTHING_CHANGED}`);
}
