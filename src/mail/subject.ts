/** The subject of a mail: GoTrue's own, or one of the operator's in GoTrue's template syntax (contract §7.2). */
import type { MailKind, MailVariables } from './mail.ts';
import { type Node, parseTemplate, renderTemplate, TemplateMistake } from './template.ts';

const defaults: Record<MailKind, string> = {
  invite: "You've been invited",
  confirmation: 'Confirm your email address',
  recovery: 'Reset your password',
  magic_link: 'Your sign-in link',
  email_change: 'Confirm your new email address',
  reauthentication: '{{ .Token }} is your verification code',
};

const SUBJECT_MAX_LENGTH = 200;
/** What ends lines, and what turns the rest of one around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

/** As they were read, or why they cannot be; there are as many as settings. */
const known = new Map<string, Node[] | TemplateMistake>();

function read(template: string): Node[] | TemplateMistake {
  const found = known.get(template) ?? parsed(template);
  known.set(template, found);
  return found;
}

function parsed(template: string): Node[] | TemplateMistake {
  try {
    return parseTemplate(template);
  } catch (error) {
    if (error instanceof TemplateMistake) return error;
    throw error;
  }
}

/** Why a subject cannot be used; undefined where it can. */
export function mistakeInSubject(template: string): string | undefined {
  const found = read(template);
  return found instanceof TemplateMistake ? found.message : undefined;
}

/**
 * The subject of one mail, on one line whatever the values hold. A template that cannot be used is passed over, as GoTrue
 * passes over one that does not compile.
 */
export function subjectOf(kind: MailKind, override: string | undefined, variables: MailVariables): string {
  const own = override ? read(override) : undefined;
  const nodes = own === undefined || own instanceof TemplateMistake ? read(defaults[kind]) : own;
  if (nodes instanceof TemplateMistake) throw nodes;
  let subject = '';
  const add = (text: string) => {
    subject += text;
  };
  renderTemplate(nodes, variables, { text: add, value: add });
  return subject.replace(CONTROL_CHARACTERS, ' ').trim().slice(0, SUBJECT_MAX_LENGTH);
}
