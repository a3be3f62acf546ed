/** How much people and administrators may keep with us, however many requests it comes in. */
import { AuthError } from '../errors.ts';
import { METADATA_MAX_BYTES } from '../http/body.ts';
import type { ChangedUser } from './user.ts';

/**
 * What came over from Supabase larger than that may stay, and shrink.
 *
 * @throws AuthError `validation_failed` for metadata that has grown beyond 64 KiB as JSON
 */
export function refuseOvergrown({ before, after }: ChangedUser): void {
  for (const column of ['raw_user_meta_data', 'raw_app_meta_data'] as const) {
    const size = sizeOf(after[column]);
    if (size > METADATA_MAX_BYTES && size > sizeOf(before[column])) {
      throw new AuthError('validation_failed', { message: `Metadata is too large (max ${METADATA_MAX_BYTES} bytes)` });
    }
  }
}

function sizeOf(metadata: object | null): number {
  return Buffer.byteLength(JSON.stringify(metadata));
}
