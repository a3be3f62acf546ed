/** Why a table cannot be compared as a whole. */
import pg from 'pg';
import type { Sides } from './compare-table.ts';

/** A role that does not see all rows of a table, or a server that cannot read one of them, cannot say that it is equal. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
  readonly side: keyof Sides;
  readonly reason: 'rights' | 'row level security' | 'size';
  readonly tables: string[];

  constructor(side: keyof Sides, reason: Unreadable['reason'], tables: string[]) {
    super(`tables that ${reason} keep from the role at the ${side}: ${tables.join(', ')}`);
    this.side = side;
    this.reason = reason;
    this.tables = tables;
  }
}

/** PostgreSQL puts no more than 1 GB together, a row or the text of a value. */
export const isTooLarge = (error: unknown) =>
  error instanceof pg.DatabaseError &&
  (error.code === '54000' || (error.code === 'XX000' && /invalid memory alloc request size/.test(error.message)));
