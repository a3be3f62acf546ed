/** Roles as SQL, so that a restored database's owners and grants have whom they name. */
import pg from 'pg';
import type { RoleFact } from './manifest.ts';

/** A script that makes what is missing and touches what is there only by adding memberships. It holds no password. */
export function rolesScript(roles: RoleFact[]): string {
  const makings = roles.map(({ name, superuser, bypassrls, createrole, createdb, inherit }) => {
    const attributes = [
      'nologin',
      inherit ? 'inherit' : 'noinherit',
      ...(superuser ? ['superuser'] : []),
      ...(bypassrls ? ['bypassrls'] : []),
      ...(createrole ? ['createrole'] : []),
      ...(createdb ? ['createdb'] : []),
    ].join(' ');
    const make = literal(`create role ${identifier(name)} ${attributes}`);
    return `select ${make} where not exists (select from pg_roles where rolname = ${literal(name)}) \\gexec`;
  });
  const memberships = roles.flatMap(({ name, member_of }) =>
    member_of.map((group) => `grant ${identifier(group)} to ${identifier(name)};`),
  );
  return [
    '-- The roles of the server when the backup was made, as they were, but none may sign in: psql --file roles.sql postgres',
    ...makings,
    ...memberships,
    '',
  ].join('\n');
}

const identifier = (name: string) => pg.escapeIdentifier(name);
const literal = (text: string) => pg.escapeLiteral(text);
