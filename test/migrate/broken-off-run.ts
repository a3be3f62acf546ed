/** A migration in a process of its own, which kills itself with -9 at the given moment. */
import type { MigrationEvent } from '../../src/migrate/run.ts';
import { migrateUsers } from '../../src/migrate/users.ts';

const [from = '', to = '', moment, table] = process.argv.slice(2);

const tableOf = (event: MigrationEvent) => {
  if (event.event === 'progress' || event.event === 'indexing') return event.table;
  if (event.event === 'table') return event.outcome.table;
  return event.event === 'proof' ? event.proof.table : '';
};

await migrateUsers(
  { connectionString: from },
  { connectionString: to },
  {
    apply: true,
    onEvent: (event) => {
      if (event.event === moment && tableOf(event) === table) process.kill(process.pid, 'SIGKILL');
    },
  },
);
