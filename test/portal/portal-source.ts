/** A Supabase-like source that pg_dump of this machine can read, whatever PostgreSQL the run is on. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts';
import { adminUrl } from '../harness/postgres.ts';
import { createSupabaseSource, type SupabaseSource, type SupabaseSourceOptions } from '../harness/supabase-source.ts';

/** In the run's own server, or in one of the packaged version beside it: then the copy is from one major to another. */
export async function createPortalSource(options: SupabaseSourceOptions): Promise<SupabaseSource> {
  if (!process.env.GATEHOUSE_TEST_POSTGRES) return createSupabaseSource(adminUrl(), options);
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-source-'));
  // The server of a run as root belongs to another account, which has to get through here.
  await chmod(directory, 0o711);
  const server = await startEmbeddedPostgres({ directory, settings: { fsync: 'off', max_connections: '100' } });
  const source = await createSupabaseSource(server.url, options);
  return {
    ...source,
    drop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
