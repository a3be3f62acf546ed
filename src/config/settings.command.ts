/** `gatehouse settings explain`: every variable, what it is here, where that is from, and what it does. */
import { styleText } from 'node:util';
import { type CommandIo, exitCodes } from '../command.ts';
import { ConfigMistakes, describeSettings, readConfig, type SettingDescription } from '../config.ts';

export const help = `gatehouse settings explain [WORD]

  Lists every setting: its variable, its value in this environment and where that is from, and what it does. With a word,
  only those whose name or text has it. Of a secret only whether it is set.

  Exit codes: 0 done, 1 fault, 2 usage, or mistakes in the environment, a sentence each.`;

const WIDTH = 100;

type SettingsIo = Pick<CommandIo, 'stdout' | 'stderr'> & { env: NodeJS.ProcessEnv };

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], { stdout, stderr, env }: SettingsIo): Promise<number> {
  const say = (text: string) => stdout.write(`${text}\n`);
  if (args.includes('--help')) {
    say(help);
    return exitCodes.done;
  }
  const [word = '', ...more] = args;
  if (more.length > 0 || word.startsWith('-')) {
    stderr.write('Give one word or none. See gatehouse settings explain --help.\n');
    return exitCodes.usage;
  }
  let found = false;
  for (const { heading, settings } of describeSettings()) {
    const described = settings.filter((setting) => mentions(setting, word));
    if (described.length === 0) continue;
    found = true;
    say(`\n${styleText('bold', heading)}`);
    for (const setting of described) say(`\n${explain(setting, env)}`);
  }
  if (!found) say('No setting mentions that word.');

  const mistakes = mistakesIn(env);
  if (mistakes.length > 0) stderr.write(`\n${mistakes.join('\n')}\n`);
  return mistakes.length > 0 ? exitCodes.usage : exitCodes.done;
}

function mentions({ names, about }: SettingDescription, word: string): boolean {
  const [sought = '', text = ''] = [word, about].map((words) => words.toLowerCase());
  return names.some((name) => name.toLowerCase().includes(sought)) || text.split(/[^\w-]+/).includes(sought);
}

function explain(setting: SettingDescription, env: NodeJS.ProcessEnv): string {
  const { names, about, awaits, example } = setting;
  const values = valuesOf(setting, env).map((value) => `    ${value}`);
  const text = [
    about,
    ...(example ? [`As in ${example}`] : []),
    ...(awaits ? [`No effect: this version does not have ${awaits}.`] : []),
  ];
  return [styleText('cyan', names.join(', ')), ...values, ...text.flatMap((line) => wrapped(line, '      '))].join(
    '\n',
  );
}

/** One line, or of a row of alike variables one for each that is set. */
function valuesOf({ names, secret, fallback }: SettingDescription, env: NodeJS.ProcessEnv): string[] {
  const spellings = names.flatMap((name) => (secret ? [name, `${name}_FILE`] : [name]));
  const isSet = (name: string) => (env[name] ?? '').trim() !== '';
  const pattern = new RegExp(`^(?:${spellings.join('|').replaceAll(/<\w+>/g, '\\w+')})$`);
  const inFamily = names.some((name) => name.includes('<'));
  const set = inFamily
    ? Object.keys(env)
        .filter((name) => pattern.test(name) && isSet(name))
        .sort()
    : spellings.filter(isSet);
  if (set.length === 0) return [fallback === undefined ? 'not set' : `${fallback} (default)`];
  return (inFamily ? set : set.slice(0, 1)).map((name) => `${secret ? 'set' : env[name]} (${name})`);
}

function wrapped(text: string, indent: string): string[] {
  const lines = [indent];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? indent;
    if (line.length + word.length > WIDTH && line !== indent) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = line === indent ? `${indent}${word}` : `${line} ${word}`;
  }
  return lines;
}

function mistakesIn(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env, 'command');
    return [];
  } catch (error) {
    if (error instanceof ConfigMistakes) return error.mistakes;
    throw error;
  }
}
