/** What a newcomer reads after `npm start`. */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { Home } from './home.ts';

export interface Welcome {
  version: string;
  /** Where we listen. */
  url: string;
  home: Home;
  /** Where the reader is: paths are shown from there. */
  cwd: string;
}

/** At the first start: everything that is needed to sign in and to call us. Holds secrets, and goes to the screen alone. */
export function firstWelcome({ version, url, home, cwd }: Welcome): string {
  const { secrets, postgres, directory, mailbox } = home;
  const { email, password } = secrets.administrator;
  return page(version, url, [
    heading('Sign in as the first administrator'),
    `    curl '${url}/auth/v1/token?grant_type=password' \\`,
    "      -H 'Content-Type: application/json' \\",
    `      -d '${JSON.stringify({ email, password })}'`,
    '',
    heading('The same from JavaScript', 'npm install @supabase/supabase-js'),
    "    import { createClient } from '@supabase/supabase-js'",
    `    const supabase = createClient('${url}', '${secrets.anon_key}')`,
    `    await supabase.auth.signInWithPassword({ email: '${email}', password: '${password}' })`,
    '',
    heading('API keys'),
    ...columns([
      ['anon', 'for browsers: the one above'],
      ['service_role', 'for your servers, and never for a browser: it may do everything'],
    ]),
    `      ${secrets.service_role_key}`,
    '',
    heading(`Kept in ${shown(directory, cwd)}`),
    ...columns([
      ['secrets.env', 'that password, both keys, and what signs them; only you can read it'],
      ['postgres/', `the database, now at 127.0.0.1:${postgres.port}`],
      ...(mailbox ? [[nameOf(mailbox, home, cwd), `mail, because no mail server is set${readAt(url)}`] as const] : []),
    ]),
    '',
    ...closing,
  ]);
}

/** At every later start. Holds no secrets. */
export function nextWelcome({ version, url, home, cwd }: Welcome): string {
  const directory = shown(home.directory, cwd);
  return page(version, url, [
    ...columns([
      ['Sign in', `as ${home.secrets.administrator.email}; password and API keys are in ${directory}/secrets.env`],
      ...(home.mailbox ? [['Mail', `in ${shown(home.mailbox, cwd)}${readAt(url)}`] as const] : []),
      ...closingColumns,
    ]),
  ]);
}

/** At a terminal, with a database of the operator's own. */
export function ownDatabaseWelcome({
  version,
  url,
  database,
}: Omit<Welcome, 'home' | 'cwd'> & { database: string }): string {
  return page(
    version,
    url,
    columns([
      ['Database', database],
      ['Stop', 'Ctrl-C'],
    ]),
  );
}

const closingColumns = [
  ['Your own database', 'DATABASE_URL and SECRET_KEY; all settings: npm run gatehouse -- settings explain'],
  ['Stop', 'Ctrl-C; all of it is there again at the next start'],
] as const;
const closing = columns(closingColumns);

function page(version: string, url: string, lines: string[]): string {
  const title = `  ${styleText('bold', `gatehouse ${version}`)} is running at ${styleText(['bold', 'cyan'], url)}`;
  return `\n${title}\n\n${lines.join('\n')}\n\n`;
}

function heading(text: string, aside?: string): string {
  return `  ${styleText('bold', text)}${aside ? styleText('dim', `  ${aside}`) : ''}`;
}

function columns(lines: readonly (readonly [name: string, what: string])[]): string[] {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, what]) => `    ${styleText('cyan', name.padEnd(width))}  ${what}`);
}

/** As below the data directory, or where else it is. */
function nameOf(path: string, { directory }: Home, cwd: string): string {
  return path.startsWith(`${directory}/`) ? `${relative(directory, path)}/` : shown(path, cwd);
}

/** The mailbox opens at a loopback address alone. */
function readAt(url: string): string {
  return /^http:\/\/(?:localhost|127\.[\d.]+|\[::1\]):/.test(url) ? `; read it at ${url}/mailbox` : '';
}

/** The shorter of the two ways to write a path. */
function shown(path: string, cwd: string): string {
  const near = relative(cwd, path) || '.';
  return near.length < path.length ? near : path;
}
