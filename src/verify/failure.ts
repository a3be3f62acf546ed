/** Why a verification could not be made, in one sentence. */
import pg from 'pg';
import { explain, MigrationFailure, type Side, unusable } from '../migrate/failure.ts';
import type { Unreadable } from '../rows/unreadable.ts';

/** So many tables are named in a sentence. */
const NAMED_TABLES = 8;

/** What an error of one side means to the operator; an error that we do not know stays as it is. */
export function explainVerify(error: unknown, side: Side): unknown {
  if (error instanceof pg.DatabaseError) {
    switch (error.code) {
      case '42P01':
      case '42703':
        return unusable(side, `a table was dropped or altered meanwhile (${error.message})`, 'Run again');
      case '22023':
      case '42704':
        if (!/snapshot/.test(error.message)) break;
        return new MigrationFailure(
          'usage',
          `The ${side.name} has no such snapshot: whoever exported it must hold its transaction open (${error.message}).`,
        );
      case '53200':
        return unusable(
          side,
          `it is short of memory (${error.message})`,
          'Raise what it lacks, as max_locks_per_transaction',
        );
    }
  }
  return explain(error, side);
}

/** Tables whose rows a role does not see, and what to do about it. */
export function unreadable({ tables, reason }: Unreadable, side: Side): MigrationFailure {
  const { name, role } = side;
  const more = tables.length > NAMED_TABLES ? ` and ${tables.length - NAMED_TABLES} more` : '';
  const which = `${tables.slice(0, NAMED_TABLES).join(', ')}${more}`;
  if (reason === 'row level security') {
    const todo = `Use a superuser, or as one: alter role ${pg.escapeIdentifier(role)} bypassrls.`;
    return new MigrationFailure(
      name,
      `Row level security hides rows of ${which} from role ${role} at the ${name}. ${todo}`,
    );
  }
  if (reason === 'size') {
    const what = `a row of ${which} is larger than PostgreSQL can put together (1 GB)`;
    return unusable(side, what, 'Look for it by pg_column_size of its columns, and compare it by hand');
  }
  const whom =
    name === 'source' ? 'the role `postgres` of the project' : 'the owner of the tables, or grant it pg_read_all_data';
  return new MigrationFailure(name, `Role ${role} may not read ${which} at the ${name}. Use ${whom}.`);
}
