/** Why a database cannot be used, in one sentence for whoever wrote its address down. */
import pg from 'pg';
import type { Connection } from '../config/connection.ts';

/** A database that cannot be used: one sentence that says why and what to do. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable';
}

/**
 * What an error of connecting to a database means and what to do about it; undefined for an error of another kind. The
 * sentence holds no password.
 *
 * @param setting where the connection is from, as `DATABASE_URL`
 */
export function whyUnusable(error: unknown, connection: Connection, setting: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  const at = addressOf(connection);
  const { user, database, host } = connection;

  if (error instanceof pg.DatabaseError) {
    switch (code) {
      case '28P01':
        return `PostgreSQL at ${at} refuses the password of role "${user}": correct ${setting}.`;
      case '28000':
        return `PostgreSQL at ${at} does not let role "${user}" in (${error.message}): correct ${setting}, or pg_hba.conf there.`;
      case '3D000':
        return `PostgreSQL at ${at} has no database "${database}": create it, or correct ${setting}.`;
      case '53300':
        return `PostgreSQL at ${at} has no connection left: close some, or raise max_connections there.`;
      case '57P03':
        return `PostgreSQL at ${at} does not accept connections yet (${error.message}): try again when it does.`;
      default:
        return undefined;
    }
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The host "${host}" in ${setting} is not known here (${code}): correct it, or mend name resolution.`;
  }
  if (
    code === 'ENOENT' ||
    code === 'ECONNREFUSED' ||
    code === 'EHOSTUNREACH' ||
    code === 'ENETUNREACH' ||
    code === 'EACCES'
  ) {
    return `PostgreSQL at ${at} cannot be reached (${code}): start it, or correct host and port in ${setting}.`;
  }
  if (code === 'ETIMEDOUT' || /timeout/i.test(error.message)) {
    return `PostgreSQL at ${at} does not answer: correct host and port in ${setting}, or open the firewall.`;
  }
  if (/password must be a (?:non-empty )?string/.test(error.message)) {
    return `PostgreSQL at ${at} asks for the password of role "${user}", and ${setting} has none.`;
  }
  if (/does not support SSL|SSL connection/.test(error.message)) {
    return `PostgreSQL at ${at} does not speak TLS, which is demanded of a server elsewhere: switch it on there, or, where the way there is safe, say sslmode=disable in ${setting}.`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `The certificate of PostgreSQL at ${at} is for another name than "${host}": correct the host in ${setting}, or the certificate.`;
  }
  if (code === 'CERT_HAS_EXPIRED') return `The certificate of PostgreSQL at ${at} has expired: renew it.`;
  if (code && /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    return `The certificate of PostgreSQL at ${at} is not trusted (${code}): name the authority that signed it with sslrootcert in ${setting}.`;
  }
  if (code === 'ECONNRESET' || code === 'EPIPE' || /Connection terminated/.test(error.message)) {
    return `What answers at ${at} ended the connection: see whether it is PostgreSQL, and correct ${setting} if it is not.`;
  }
  return undefined;
}

/** host:port, or the directory of a socket. */
export function addressOf({ host, port }: Connection): string {
  if (host.startsWith('/')) return host;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
