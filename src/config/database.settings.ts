/** Settings of the database connection. */
import { secret, setting } from './setting.ts';
import { integer, oneOf, port, replaced, text } from './values.ts';

export const database = {
  database_url: secret(
    text,
    "The PostgreSQL database, as a URL. `sslmode` is `verify-full` unless the host is this machine: the server must prove its name with a certificate of the system's authorities or of `sslrootcert`. `require` (encrypted, to whoever answers), `verify-ca` and `disable` hold only where the URL says so. SQLAlchemy's `postgresql+asyncpg://` is understood. It wins over POSTGRES_HOST and its like.",
    {
      also: ['DATABASE_URL', 'GOTRUE_DB_DATABASE_URL'],
      ours: true,
      example: 'postgresql://gatehouse:…@db.example.com:5432/portal?sslrootcert=/etc/ssl/db-ca.pem',
    },
  ),
  postgres_host: setting(
    text,
    undefined,
    'The database in parts, where DATABASE_URL is not set: a host name, an address, or the directory of a socket.',
    { also: ['POSTGRES_HOST'], ours: true, example: 'db.example.com' },
  ),
  postgres_port: setting(port, undefined, 'Its port; 5432 unless set.', { also: ['POSTGRES_PORT'], ours: true }),
  postgres_db: setting(text, undefined, 'Its name; that of the user unless set.', {
    also: ['POSTGRES_DB'],
    ours: true,
    example: 'portal',
  }),
  postgres_user: setting(text, undefined, 'The role to connect as; `postgres` unless set.', {
    also: ['POSTGRES_USER'],
    ours: true,
    example: 'gatehouse',
  }),
  postgres_password: secret(text, 'The password of that role.', { also: ['POSTGRES_PASSWORD'], ours: true }),
  postgres_sslmode: setting(
    oneOf('disable', 'require', 'verify-ca', 'verify-full'),
    undefined,
    'As `sslmode` in DATABASE_URL.',
    { also: ['POSTGRES_SSLMODE'], ours: true },
  ),
  postgres_sslrootcert: setting(
    text,
    undefined,
    "The file of the authority that signed the server's certificate, as `sslrootcert` in DATABASE_URL.",
    { also: ['POSTGRES_SSLROOTCERT'], ours: true, example: '/etc/ssl/db-ca.pem' },
  ),
  db_max_pool_size: setting(
    replaced(integer(0, 1000), (size) => size === 0, 10),
    10,
    "Connections to the database, per process. All processes together must stay below the server's max_connections. 0 means the default.",
    { example: '20' },
  ),
  db_driver: setting(oneOf('postgres'), 'postgres', 'There is no other.'),
  db_namespace: setting(
    oneOf('auth'),
    'auth',
    "The schema of Supabase's tables. There is no other: foreign keys and policies of the portal point at it.",
    { also: ['DB_NAMESPACE', 'GOTRUE_DB_DB_NAMESPACE'] },
  ),
};
