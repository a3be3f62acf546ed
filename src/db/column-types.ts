/** Column types that drizzle lacks or spells at length. */
import { customType, timestamp } from './drizzle.ts';

/** As text: a `Date` would cut the microseconds. */
export const timestamptz = () => timestamp({ withTimezone: true, mode: 'string' });

export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** A 64-bit transaction id, as text. */
export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });
