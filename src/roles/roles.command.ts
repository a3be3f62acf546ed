/** `gatehouse roles`: who may read the audit log and who manages users, given and taken at this machine. */
import {
  CommandFailure,
  type CommandIo,
  exitCodes,
  misuse,
  occasionOfCommand,
  operatorOf,
  parseWords,
} from '../command.ts';
import { AuthError } from '../errors.ts';
import { emailAddress } from '../users/address.ts';
import { type Candidate, grantRole, listCandidates, listGrants, type Role, revokeRole, roles } from './roles.ts';

export const help = `gatehouse roles grant ROLE --to PERSON
gatehouse roles revoke ROLE --from PERSON
gatehouse roles list [ROLE]

  auditor  reads the audit log
  admin    manages users

  PERSON is the email address of a user, or the id. Each change is an event of the audit log and holds at once, for
  access tokens that are out already too.

  Exit codes: 0 done, or so already, 1 fault, 2 usage, 3 no such user, several, or an address that is not
  confirmed, 4 no database.`;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type RolesIo = Pick<CommandIo, 'stdout' | 'stderr' | 'operator' | 'clock' | 'openDatabase'>;

const usage = (sentence: string) => misuse('roles', sentence);

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: RolesIo): Promise<number> {
  const say = (text: string) => io.stdout.write(`${text}\n`);
  try {
    const { verb, role, person } = parse(args);
    if (verb === 'help') {
      say(help);
      return exitCodes.done;
    }
    const { db, close } = await io.openDatabase();
    try {
      if (verb === 'list') {
        const grants = await listGrants(db, role);
        for (const grant of grants) say(`${grant.role}  ${grant.user_id}  ${grant.granted_at}  ${grant.email ?? ''}`);
        if (grants.length === 0) say(`Nobody has ${role ? `the role ${role}` : 'a role'}.`);
        return exitCodes.done;
      }
      const { id, email, confirmed } = oneOf(await listCandidates(db, person));
      // An unproven address may be anybody's: whoever signed up with it would get the right.
      if (verb === 'grant' && 'email' in person && !confirmed) {
        throw new CommandFailure('refused', `The user with this address has not confirmed it; the id is ${id}.`);
      }
      const change = { user_id: id, role, actor: operatorOf(io) };
      const occasion = occasionOfCommand(`roles ${verb}`, io.clock());
      const whom = email ?? id;
      if (verb === 'grant') {
        say(`${whom} ${(await grantRole(db, change, occasion)) ? 'now has' : 'already had'} the role ${role}.`);
      } else {
        say(`${whom} ${(await revokeRole(db, change, occasion)) ? 'no longer has' : 'did not have'} the role ${role}.`);
      }
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

type Person = { id: string } | { email: string };
type Order =
  | { verb: 'help'; role?: never; person?: never }
  | { verb: 'list'; role: Role | undefined; person?: never }
  | { verb: 'grant' | 'revoke'; role: Role; person: Person };

function parse(args: string[]): Order {
  const text = { type: 'string' } as const;
  const help = { type: 'boolean', default: false } as const;
  const { values, positionals } = parseWords('roles', args, { to: text, from: text, help });
  const [verb, word, ...rest] = positionals;
  if (values.help || verb === undefined) return { verb: 'help' };
  if (verb !== 'grant' && verb !== 'revoke' && verb !== 'list') throw usage('Say grant, revoke or list');
  const role = roles.find((role) => role === word);
  if ((word !== undefined && !role) || rest.length > 0) throw usage(`The role is ${roles.join(' or ')}`);
  const person = values.to ?? values.from;
  if (verb === 'list') {
    if (person !== undefined) throw usage('A list is of a role, not of a person');
    return { verb, role };
  }
  if (!role) throw usage(`Say which role: ${roles.join(' or ')}`);
  if (person === undefined || (values.to !== undefined && values.from !== undefined)) {
    throw usage(verb === 'grant' ? 'Say to whom: --to EMAIL' : 'Say from whom: --from EMAIL');
  }
  return { verb, role, person: personOf(person) };
}

function personOf(text: string): Person {
  if (UUID.test(text)) return { id: text };
  try {
    return { email: emailAddress(text) };
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    throw usage('A person is an email address or the id of a user');
  }
}

function oneOf(candidates: Candidate[]): Candidate {
  const [only, ...others] = candidates;
  if (!only) throw new CommandFailure('refused', 'There is no such user.');
  if (others.length > 0) {
    const ids = candidates.map(({ id, is_sso_user }) => `${id}${is_sso_user ? ' (SSO)' : ''}`).join(', ');
    throw new CommandFailure('refused', `Several users have this address; name one by id: ${ids}.`);
  }
  return only;
}
