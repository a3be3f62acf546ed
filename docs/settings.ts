/**
 * Makes docs/settings.md from the table that the environment is read by: `npm run docs:settings`. A test fails while the page
 * and the table differ.
 */
import { writeFileSync } from 'node:fs';
import { describeSettings, type SettingDescription } from '../src/config.ts';

const file = new URL('settings.md', import.meta.url);

const opening = `<!-- Made by "npm run docs:settings" from src/config/*.settings.ts. Change it there. -->

# Settings

Everything is set by environment variables, read once at the start. All mistakes are told at once, a sentence each, and end the
start with exit code 2. \`npm run gatehouse -- settings explain [WORD]\` shows the same list with the values that hold in your
environment.

- **Names.** A variable of Supabase Auth (GoTrue) has its name with our prefix, \`GATEHOUSE_SITE_URL\`, and its own spelling,
  \`GOTRUE_SITE_URL\`, is read too; so the environment of a self-hosted GoTrue starts gatehouse. Of several names that are set, the
  first in the list wins. A variable that is set to nothing counts as not set.
- **Secrets** may stand in a file: \`SECRET_KEY_FILE=/run/secrets/key\`. A newline at its end does not count. They are never shown,
  logged or repeated in a mistake.
- **Durations** are written with their unit, as Go has them: \`90s\`, \`15m\`, \`1h30m\`. Where a text says "in seconds", a bare
  number is taken as well.
- **Lists** are separated by commas. **Yes and no** are \`true\` and \`false\` (or \`1\`, \`0\`).
- A name that begins with \`GATEHOUSE_\` or \`GOTRUE_\` and that nobody knows is a line in the log: it is probably mistyped.

The least that a service with your own database needs is \`DATABASE_URL\` and \`SECRET_KEY\`, and for mail \`GATEHOUSE_SMTP_HOST\`,
\`GATEHOUSE_SMTP_ADMIN_EMAIL\`, \`API_EXTERNAL_URL\` and \`GATEHOUSE_SITE_URL\`.
`;

/** The page as it should be. */
export function settingsPage(): string {
  const sections = describeSettings().flatMap(({ heading, settings }) => {
    const waiting = settings.filter(({ awaits }) => awaits);
    const working = settings.filter(({ awaits }) => !awaits);
    return [`## ${heading}`, ...working.map(entry), ...(waiting.length > 0 ? [waitingTable(waiting)] : [])];
  });
  return `${[opening.trim(), ...sections].join('\n\n')}\n`;
}

function entry({ key, names, words, about, fallback, example, secret }: SettingDescription): string {
  const short = key.toUpperCase();
  const title = names.includes(short) ? short : (names[0] ?? short);
  const facts = [
    ...(names.length > 1 ? [names.map(code).join(', ')] : []),
    ...(secret ? ['a secret'] : []),
    ...(fallback === undefined ? [] : [`default ${code(fallback)}`]),
  ];
  const paragraphs = [
    `### ${title.replaceAll(/[<>]/g, '\\$&')}`,
    ...(facts.length > 0 ? [facts.join('; ')] : []),
    about,
    ...(words.length > 0 ? [`${code(/<\w+>/.exec(title)?.[0] ?? '')} is one of ${words.map(code).join(', ')}.`] : []),
    ...(example ? [`Example: ${code(example)}`] : []),
  ];
  return paragraphs.join('\n\n');
}

/** What is read, so that it is no mistake, and does nothing yet. */
function waitingTable(settings: SettingDescription[]): string {
  const rows = settings.map(({ names: [name = ''], about, awaits }) => {
    return `| ${code(name)} | ${about.replaceAll('|', '\\|')} | ${awaits} |`;
  });
  const head = ['| variable | what it will do | waits for |', '|---|---|---|'];
  return ['Read and without effect in this version:', '', ...head, ...rows].join('\n');
}

function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

if (import.meta.main) writeFileSync(file, settingsPage());
