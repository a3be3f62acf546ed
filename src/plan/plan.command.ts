/** `gatehouse migrate plan`: what moving a whole portal would mean. */
import type { CommandIo } from '../command.ts';
import { findTarget, parseStep, runStep, sharedOptions, sourceSide } from '../migrate/command-line.ts';
import { exitCodes } from '../migrate/failure.ts';
import { jsonLine } from '../migrate/on-one-line.ts';
import { describePortalPlan } from './page.ts';
import { planPortal } from './plan.ts';

const name = 'migrate plan';

export const help = `gatehouse migrate plan --from URL [--to URL] [--json]

  Looks at a Supabase database and at the one it shall move to, and says what there is (schemas, tables, policies,
  triggers, functions, rights, users, sizes), what becomes of what Supabase made, what stands in the way, and what you
  have to decide. Reads both in transactions that cannot write, and changes nothing.

  --from URL   the Supabase database, directly or through its pooler in session mode (port 5432; the pooler in
               transaction mode, port 6543, cannot hold a snapshot)
  --to URL     the database of gatehouse, or an empty one; DATABASE_URL, or that of "npm start", when left out. Without
               any, what depends on the target is not known
  --json       the plan as one JSON object

  It looks for pg_dump and pg_restore too, which a copy needs: at least as new as the source.

  Schemas of the portal move whole, with storage (the list of files, not the files) and supabase_migrations. Schema auth
  is gatehouse's; its rows are carried, and the triggers and policies that the portal hung on it move. The schema
  extensions is made again, with the extensions that the target has. The rest of Supabase stays, each with a reason.
  Roles that something of the portal names are made without login; postgres and supabase_admin become the role of --to.

  Exit codes: 0 nothing stands in the way, 1 fault, 2 usage, 3 the source cannot be used, 4 the target cannot be used,
  5 a side went away, 9 something must be mended first.`;

type PlanIo = Pick<CommandIo, 'stdout' | 'stderr' | 'secrets' | 'findDatabase'> & { env: NodeJS.ProcessEnv };

/** Runs the command and resolves to its exit code. */
export function run(args: string[], io: PlanIo): Promise<number> {
  return runStep(io, async () => {
    const say = (text: string) => io.stdout.write(`${text}\n`);
    const { apply: _, ...options } = sharedOptions;
    const values = parseStep(name, args, options);
    if (values.help) {
      say(help);
      return exitCodes.done;
    }
    const source = sourceSide(values, io, 'the portal is');
    const decryption_key_ids = new Set(io.secrets.column_keys.keys());
    const plan = await planPortal(source, await findTarget(values, io), decryption_key_ids, io.env);
    say(values.json ? jsonLine(plan) : describePortalPlan(plan));
    return plan.findings.some(({ level }) => level === 'stop') ? exitCodes.obstacle : exitCodes.done;
  });
}
