/** The connection to PostgreSQL from a URL or from its parts, encrypted and to the right server unless said otherwise. */
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Unfit } from './values.ts';

/** What `pg` takes for a client and for a pool. Holds a password. */
export interface Connection {
  /** A name, an address, or the directory of a Unix socket. */
  host: string;
  port: number;
  user: string;
  password: string | undefined;
  database: string;
  ssl: false | ConnectionOptions;
  /** Set where somebody between us and the server could read or answer in its place: why, for a warning. */
  weakness?: string;
}

type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

interface Parts {
  host: string | undefined;
  port: string | number | undefined;
  user: string | undefined;
  password: string | undefined;
  database: string | undefined;
  sslmode: string | undefined;
  sslrootcert: string | undefined;
  sslcert?: string | undefined;
  sslkey?: string | undefined;
}

const SHAPE = 'postgresql://role:password@host:5432/database, with special characters percent-encoded';
const URL_PARTS =
  /^postgres(?:ql)?(?:\+\w+)?:\/\/(?:(?<userinfo>[^/?#]*)@)?(?<authority>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/i;
const AUTHORITY = /^(?<host>\[[^\]]+\]|[^:]*)(?::(?<port>\d*))?$/;

/**
 * A connection from libpq's URL, in SQLAlchemy's spelling too. Without `sslmode` (or asyncpg's `ssl`) it is `verify-full`,
 * but for loopback and sockets, where it is `disable`. Other parameters are not ours and are passed over.
 *
 * @throws Unfit, which does not repeat the password
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function connectionFromUrl(url: string): Connection {
  const { userinfo = '', authority = '', database, query } = URL_PARTS.exec(url.trim())?.groups ?? refuse(SHAPE);
  if (authority.includes(',')) refuse('a URL with one host: name the address that always leads to the primary');
  const { host = '', port } = AUTHORITY.exec(authority)?.groups ?? refuse(SHAPE);

  const parameters = new URLSearchParams(query);
  const [user, password] = splitOnce(userinfo, ':');
  return connectionFromParts({
    host: parameters.get('host') ?? decoded(host.replace(/^\[|\]$/g, '')),
    port: parameters.get('port') ?? port,
    user: parameters.get('user') ?? decoded(user),
    password: parameters.get('password') ?? decoded(password),
    database: parameters.get('dbname') ?? decoded(database),
    sslmode: parameters.get('sslmode') ?? parameters.get('ssl') ?? undefined,
    sslrootcert: parameters.get('sslrootcert') ?? undefined,
    sslcert: parameters.get('sslcert') ?? undefined,
    sslkey: parameters.get('sslkey') ?? undefined,
  });
}

/**
 * @throws Unfit
 * @see connectionFromUrl
 */
export function connectionFromParts(parts: Parts): Connection {
  const host = parts.host || 'localhost';
  const user = parts.user || 'postgres';
  const port = Number(parts.port || 5432);
  if (!(port >= 1 && port <= 65_535)) refuse('a URL whose port is from 1 to 65535');

  const local = isLocal(host);
  const stated = parts.sslmode === undefined ? undefined : sslMode(parts.sslmode);
  const mode = stated ?? (local ? 'disable' : 'verify-full');
  const connection = { host, port, user, password: parts.password, database: parts.database || user };
  const ssl = mode === 'disable' ? false : tlsOptions(mode, parts);
  const weakness = local ? undefined : weaknessOf(mode, ssl, host);
  return { ...connection, ssl, ...(weakness && { weakness }) };
}

/** libpq's rule: `require` with an authority verifies it, as `verify-ca` does. */
function tlsOptions(mode: SslMode, { sslrootcert, sslcert, sslkey }: Parts): ConnectionOptions {
  const ca = sslrootcert && sslrootcert !== 'system' ? readCertificate('sslrootcert', sslrootcert) : undefined;
  // TLS would pass over it, and trust nobody.
  if (ca && !ca.includes('-----BEGIN '))
    refuse(`a URL whose sslrootcert holds certificates as PEM (${sslrootcert} does not)`);
  if (mode === 'verify-ca' && !ca) refuse('a URL that names its authority: sslmode=verify-ca needs sslrootcert');
  const files = {
    ...(ca && { ca }),
    ...(sslcert && { cert: readCertificate('sslcert', sslcert) }),
    ...(sslkey && { key: readCertificate('sslkey', sslkey) }),
  };
  if (mode === 'verify-full') return files;
  if (ca) return { ...files, checkServerIdentity: () => undefined };
  return { ...files, rejectUnauthorized: false };
}

function weaknessOf(mode: SslMode, ssl: Connection['ssl'], host: string): string | undefined {
  if (mode === 'disable') return `sslmode=disable: all that goes to ${host} can be read and changed on its way`;
  if (ssl && ssl.rejectUnauthorized === false) {
    return `sslmode=require without sslrootcert: whoever answers for ${host} is believed`;
  }
  return undefined;
}

function sslMode(text: string): SslMode {
  const mode = text === 'true' ? 'require' : text === 'false' ? 'disable' : text;
  if (mode === 'disable' || mode === 'require' || mode === 'verify-ca' || mode === 'verify-full') return mode;
  // `prefer` and `allow` would go on in the clear when somebody in between says that there is no TLS.
  return refuse('a URL whose sslmode is disable, require, verify-ca or verify-full');
}

function readCertificate(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return refuse(`a URL whose ${parameter} can be read (${path}: ${(error as NodeJS.ErrnoException).code})`);
  }
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return refuse(SHAPE);
  }
}

function refuse(expected: string): never {
  throw new Unfit(expected);
}
