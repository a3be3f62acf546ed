/** Settings of backups. */
import { secret, setting } from './setting.ts';
import { ageIdentities, integer, oneOf, retention, text } from './values.ts';

export const backups = {
  backup_directory: setting(
    text,
    undefined,
    'Where backups are kept: a directory of the account that makes them, on another disk than the database, copied elsewhere by what you copy files with.',
    { ours: true, example: '/var/backups/gatehouse' },
  ),
  backup_key: secret(
    ageIdentities,
    'What backups are encrypted for: a key in the form of age, as `gatehouse backup keygen` makes one. Of several lines the first encrypts and each decrypts: so keys are rotated. Keep a copy where neither this machine nor the backups are: without it no backup can be read.',
    { ours: true, example: 'AGE-SECRET-KEY-1…' },
  ),
  backup_driver: setting(
    oneOf('pg_dump', 'pgbackrest'),
    'pg_dump',
    'What makes the backups: `pg_dump`, from anywhere that reaches the database, or `pgbackrest`, set up by you on the machine of the database, with point-in-time recovery.',
    { ours: true },
  ),
  backup_retention: setting(
    retention,
    { daily: 7, weekly: 5, monthly: 12, yearly: 7 },
    'Which backups stay when others expire: the newest of each of the last so many days, weeks (from Monday), months and years, in UTC, that have one. pgBackRest keeps what its own configuration says.',
    { ours: true, example: '14 daily, 8 weekly, 24 monthly, 10 yearly' },
  ),
  backup_minimum: setting(integer(1, 1000), 3, 'So many backups stay whatever the retention says.', {
    ours: true,
    example: '5',
  }),
  backup_max_days_unproven: setting(
    integer(1, 1000),
    8,
    'How old the newest backup that was proven by a restore may be, in days, before `gatehouse backup list` ends with exit code 7.',
    { ours: true, example: '8' },
  ),
  backup_scratch_url: secret(
    text,
    'The server that `gatehouse backup verify` restores to, as `--scratch`: a superuser of a PostgreSQL that does not archive, of the same major version or newer. A database of its own is made there and dropped. A development checkout needs none.',
    { ours: true, example: 'postgres://postgres:…@scratch.example.com:5432/postgres' },
  ),
  backup_pgbackrest_stanza: setting(text, undefined, 'The stanza of pgBackRest that is this database.', {
    ours: true,
    example: 'portal',
  }),
  backup_pgbackrest_config: setting(
    text,
    undefined,
    "pgBackRest's configuration, where it is not in its usual place.",
    {
      ours: true,
      example: '/etc/pgbackrest/pgbackrest.conf',
    },
  ),
};
