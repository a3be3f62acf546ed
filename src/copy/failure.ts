/** Why a copy stopped, in one sentence. What is done stays done: a copy that stopped goes on where it was. */
import pg from 'pg';
import { PgToolFailed, PgToolsMissing } from '../db/pg-tools.ts';
import { asking, explain, MigrationFailure, NOTHING_CHANGED, type Side } from '../migrate/failure.ts';
import { isTooLarge } from '../rows/unreadable.ts';

const GOES_ON = 'The copy is not complete; run the command again, and it goes on where it stopped.';

/**
 * What an error of one side means to the operator of a copy; an error that we do not know stays as it is.
 *
 * @param table whose rows were read or written
 */
export function explainCopy(error: unknown, side: Side, table?: string): unknown {
  if (error instanceof PgToolsMissing) return new MigrationFailure('usage', error.message);
  if (error instanceof PgToolFailed) {
    if (
      /server closed the connection|terminating connection|connection to server .* (?:failed|refused)/.test(
        error.message,
      )
    ) {
      return new MigrationFailure('lost', `The ${side.name} went away (${side.address}). ${GOES_ON}`);
    }
    return new MigrationFailure(side.name, `The ${side.name} cannot be used: ${error.message}. ${GOES_ON}`);
  }
  if (error instanceof pg.DatabaseError) {
    if (table !== undefined && side.name === 'source' && isTooLarge(error)) {
      return stopped(
        side,
        `a row of ${table} is larger than PostgreSQL can send (1 GB as a whole)`,
        'Look for it by pg_column_size of its columns; shorten it, or take it out and carry it over column by column',
      );
    }
    switch (error.code) {
      case '53100':
      case '58030':
        return stopped(side, 'its disk is full or fails', 'Make room there');
      case '53200':
        return stopped(
          side,
          `it is short of memory (${error.message})`,
          'Raise what it lacks, as max_locks_per_transaction',
        );
      case '42P01':
      case '42703':
        return stopped(
          side,
          `a table was dropped or altered meanwhile (${error.message})`,
          'Leave the tables as they are until the copy has ended',
        );
    }
  }
  const explained = explain(error, side);
  if (explained instanceof MigrationFailure) {
    // True of users, who come in one transaction, and not of what was copied before them.
    const { kind, message, reason } = explained;
    return new MigrationFailure(
      kind,
      message.replace(NOTHING_CHANGED, GOES_ON),
      reason.replace(NOTHING_CHANGED, GOES_ON),
    );
  }
  if (explained instanceof pg.DatabaseError && explained.code) {
    // A fault's detail and context might hold a row's values; its message names objects.
    return stopped(side, `${explained.message} (SQLSTATE ${explained.code})`, 'Mend what it says');
  }
  return explained;
}

/** Does work that asks one side alone, and explains its errors as that side's. */
export function askingCopy<T>(side: Side, work: () => Promise<T>): Promise<T> {
  return asking(side, work, explainCopy);
}

function stopped(side: Side, what: string, todo: string): MigrationFailure {
  return new MigrationFailure(side.name, `The ${side.name} cannot be used: ${what}. ${todo}. ${GOES_ON}`);
}
