/** What cannot arrive as it is, what is done about it, and what the operator must decide: a sentence each. */
import type { Catalogue, CatalogueObject } from '../catalogue/catalogue.ts';
import type { Kind } from '../catalogue/kinds.ts';
import { sizeOf } from '../copy/words.ts';
import type { Finding } from '../migrate/plan.ts';
import type { PortalScope } from '../portal/scope.ts';
import { isWithoutKey } from './inventory.ts';
import type { Server, ServiceHoldings, ToolFunction, Unreadable } from './plan.sql.ts';

/** So many objects are named in a sentence. */
const NAMED = 3;
/** Tokens and sessions are judged by the clock: a second is nothing, a minute is somebody's sign-in. */
const CLOCK_TOLERANCE_SECONDS = 2;

const stop = (message: string): Finding => ({ level: 'stop', message });
const warning = (message: string): Finding => ({ level: 'warning', message });
const note = (message: string): Finding => ({ level: 'note', message });

/** `public.a, public.b, public.c and 4 more` */
function listed(names: readonly string[]): string {
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${more}`;
}

const some = (names: readonly string[], finding: (list: string) => Finding) =>
  names.length > 0 ? [finding(listed(names))] : [];

/** Rows that would be missed in silence. */
export function readingFindings(role: string, unreadable: readonly Unreadable[]): Finding[] {
  const tables = (why: Unreadable['reason']) =>
    unreadable.filter(({ reason }) => reason === why).map(({ table }) => table);
  return [
    ...some(tables('no right'), (list) =>
      stop(`Role ${role} may not read ${list} at the source. Use the role \`postgres\` of the project.`),
    ),
    ...some(tables('row level security'), (list) =>
      stop(
        `Row level security hides rows of ${list} from role ${role}. Use the role \`postgres\` of the project, which it does not apply to.`,
      ),
    ),
  ];
}

/** About the two servers. `target` is undefined where none was named. */
export function serverFindings(
  source: Server,
  target: Server | undefined,
  clock_skew_seconds: number | undefined,
): Finding[] {
  const findings: Finding[] = [];
  if (source.standby) {
    findings.push(warning('The source is a standby: it follows its primary, and a long copy may be cancelled there.'));
  }
  if (source.connection_limit >= 0 && source.connection_limit < 10) {
    findings.push(warning(`The source allows ${source.connection_limit} connections, and a copy takes up to six.`));
  }
  if (!target) {
    findings.push(note('No target was named: what it has and lacks is not known. Name it with --to.'));
    return findings;
  }
  if (target.standby) findings.push(stop('The target is a standby and takes no changes: name the primary.'));
  if (source.collation !== target.collation) {
    findings.push(
      warning(
        `Text is sorted by ${source.collation} at the source and by ${target.collation} at the target: lists come in another order. Make the target's database with the source's locale if that matters.`,
      ),
    );
  }
  if (clock_skew_seconds !== undefined && Math.abs(clock_skew_seconds) > CLOCK_TOLERANCE_SECONDS) {
    findings.push(
      warning(
        `The clocks are ${Math.abs(clock_skew_seconds).toFixed(1)} s apart, the target's ${clock_skew_seconds > 0 ? 'ahead' : 'behind'}: sessions and links end by the target's. Set both by NTP.`,
      ),
    );
  }
  return findings;
}

/** What is said where the portal has such objects. */
interface Rule {
  kind: Kind;
  /** All of the kind, where it is left out. */
  where?: (object: CatalogueObject, catalogue: Catalogue) => boolean;
  says: (list: string) => Finding;
}

const rules: readonly Rule[] = [
  {
    kind: 'index',
    where: ({ facts }) => facts.valid === false,
    says: (list) =>
      warning(
        `Built only in part at the source: ${list}. At the target it is built whole; drop it if it is not wanted.`,
      ),
  },
  {
    kind: 'constraint',
    where: ({ facts }) => facts.enforced === false,
    says: (list) =>
      warning(`Not enforced at the source: ${list}. At the target it is, and rows that break it stop the copy.`),
  },
  {
    kind: 'constraint',
    where: ({ facts }) => facts.valid === false,
    says: (list) => note(`Never validated: ${list}. It arrives as it is, for new rows only.`),
  },
  {
    kind: 'table',
    where: (object, catalogue) => isWithoutKey(object, catalogue) && object.facts.form !== 'partitioned',
    says: (list) => note(`Without primary key: ${list}. Rows are compared by their whole content.`),
  },
  {
    kind: 'trigger',
    where: ({ facts }) => facts.enabled === 'always' || facts.enabled === 'replica',
    says: (list) =>
      warning(`Fires whatever else is said: ${list}. It is made after the rows, so it does not fire for them.`),
  },
  {
    kind: 'table',
    where: ({ facts }) => facts.form === 'foreign',
    says: (list) =>
      warning(`Rows are elsewhere: ${list}. The definition moves; make its server at the target before the copy.`),
  },
  {
    kind: 'user mapping',
    says: (list) =>
      warning(
        `A user mapping holds a password, and does not move: ${list}. Create it again at the target, where the server is wanted there.`,
      ),
  },
  {
    kind: 'language',
    says: (list) =>
      warning(`A language of no extension does not move: ${list}. Make it at the target before the copy.`),
  },
  {
    kind: 'security label',
    says: (list) =>
      warning(
        `Security labels do not move: ${list}. What they protect is open at the target until you load their provider there and set them again.`,
      ),
  },
  {
    kind: 'materialized view',
    where: ({ facts }) => facts.populated === false,
    says: (list) => note(`Not populated at the source: ${list}. It stays so.`),
  },
  {
    kind: 'materialized view',
    where: ({ facts }) => facts.populated === true,
    says: (list) =>
      note(
        `Filled anew at the target from what it is made of: ${list}. Refresh it at the source as well, just before, for its rows to be compared.`,
      ),
  },
  {
    kind: 'publication',
    says: (list) =>
      note(
        `Published to others: ${list}. What follows a publication of the source must be pointed at the target; Supabase's own stay behind.`,
      ),
  },
];

/** What only a superuser may make, and what is left out of the copy of anybody else. */
const forSuperusers: Rule = {
  kind: 'event trigger',
  says: (list) =>
    warning(`Only a superuser may make event triggers: ${list} is left out. Copy as one, or make it by hand.`),
};

/** About the portal's objects. */
export function portalFindings(
  catalogue: Catalogue,
  scope: PortalScope,
  tools: readonly ToolFunction[],
  target: Server | undefined,
): Finding[] {
  const objects = [...catalogue.objects.values()];
  const holding = target && !target.superuser ? [...rules, forSuperusers] : rules;
  const findings = [
    ...callFindings(objects, scope, tools),
    ...holding.flatMap(({ kind, where = () => true, says }) => {
      const found = objects.filter((object) => object.kind === kind && where(object, catalogue));
      return some(
        found.map(({ name }) => name),
        says,
      );
    }),
  ];
  const everybody = objects.find(({ kind, name }) => kind === 'grant' && name === 'to public on schema public');
  if (strings(everybody?.facts.privileges).includes('CREATE')) {
    findings.push(
      warning('Everybody may create objects in schema public, as before PostgreSQL 15. It moves as it is: revoke it.'),
    );
  }
  return findings;
}

/** What a function's body calls is text: nothing stops it from being made, and it fails when it is called. */
function callFindings(
  objects: readonly CatalogueObject[],
  scope: PortalScope,
  tools: readonly ToolFunction[],
): Finding[] {
  const bodies = objects.filter(({ kind, facts }) => kind === 'function' && typeof facts.body === 'string');
  const calling = (pattern: RegExp) =>
    bodies.filter(({ facts }) => pattern.test(String(facts.body))).map(({ name }) => name);
  const left = scope.treatments.filter(({ treatment }) => treatment === 'stays' || treatment === 'decide');
  const here = new Set(scope.extensions.filter(({ treatment }) => treatment === 'made here').map(({ name }) => name));
  const lost = tools.filter(({ extension }) => extension === null || !here.has(extension));
  return [
    ...left.flatMap(({ name }) =>
      some(calling(new RegExp(`(?<![\\w".])${pattern(name)}\\s*\\.\\s*["\\w]`)), (list) =>
        warning(
          `Functions use schema ${name}, which does not come along: ${list}. They fail when they are called: change them.`,
        ),
      ),
    ),
    ...lost.flatMap(({ schema, name, extension }) =>
      some(calling(new RegExp(`(?<![\\w".])${pattern(schema)}\\s*\\.\\s*${pattern(name)}\\s*\\(`)), (list) =>
        warning(
          `Functions call ${schema}.${name}, which ${extension ? `extension ${extension} brings and the target lacks` : 'no extension brings'}: ${list}. Make it at the target, or change them.`,
        ),
      ),
    ),
  ];
}

/** A name in a function's body, quoted or not. */
const pattern = (name: string) => `"?${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}"?`;

/** About what Supabase's services kept for the portal. */
export function serviceFindings(holdings: ServiceHoldings, scope: PortalScope): Finding[] {
  const { stored_files, stored_bytes, cron_jobs, vault_secrets, subscriptions } = holdings;
  const findings: Finding[] = [];
  if (stored_files) {
    const size = stored_bytes ? ` of ${sizeOf(stored_bytes)}` : '';
    findings.push(
      warning(
        `Storage has ${stored_files.toLocaleString('en-US')} files${size}: their list moves with schema storage, the files do not. Copy the buckets apart.`,
      ),
    );
  }
  if (cron_jobs) findings.push(warning(`pg_cron has ${cron_jobs} jobs: schedule them again (select * from cron.job).`));
  if (vault_secrets) {
    findings.push(
      warning(
        `Supabase Vault has ${vault_secrets} secrets under a key that Supabase keeps: read vault.decrypted_secrets and put them into a store of yours.`,
      ),
    );
  }
  findings.push(
    ...some(subscriptions, (list) =>
      warning(
        `Subscriptions do not move: ${list}. Once nobody writes at the source any more, make them at the target, and drop them there.`,
      ),
    ),
  );
  const logins = scope.roles.filter(
    ({ becomes, login, name }) => becomes === 'itself' && login && name !== 'authenticator',
  );
  findings.push(
    ...some(
      logins.map(({ name }) => name),
      (list) =>
        note(`Could sign in to the source: ${list}. At the target they cannot, until you give them a password.`),
    ),
  );
  return findings;
}

const strings = (fact: CatalogueObject['facts'][string] | undefined): string[] =>
  Array.isArray(fact) ? fact.filter((item): item is string => typeof item === 'string') : [];
