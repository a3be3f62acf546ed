/** Roles as SQL, so that a restored database's owners and grants have whom they name. */
import pg from 'pg';
import type { RoleFact } from './manifest.ts';

/** A script that makes what is missing and touches what is there only by adding memberships. It holds no password. */
export function rolesScript(roles: RoleFact[]): string {
  const lines = roles.map(({ name, bypassrls, createrole, createdb, inherit, superuser }) => {
    const attributes = [
      'nologin',
      inherit ? 'inherit' : 'noinherit',
      ...(bypassrls ? ['bypassrls'] : []),
      ...(createrole ? ['createrole'] : []),
      ...(createdb ? ['createdb'] : []),
    ].join(' ');
    const make = `select ${literal(`create role ${identifier(name)} ${attributes}`)} where not exists (select from pg_roles where rolname = ${literal(name)}) \\gexec`;
    return superuser ? `-- the next one was a superuser\n${make}` : make;
  });
  const memberships = roles.flatMap(({ name, member_of }) =>
    member_of.map((group) => `grant ${identifier(group)} to ${identifier(name)};`),
  );
  return [
    '-- The roles of the server when the backup was made. None may sign in: give passwords and rights to do so yourself.',
    '-- psql --file roles.sql postgres',
    ...lines,
    ...memberships,
    '',
  ].join('\n');
}

const identifier = (name: string) => pg.escapeIdentifier(name);
const literal = (text: string) => pg.escapeLiteral(text);
