/** The subject of a mail: GoTrue's own, or one of the operator's in GoTrue's template syntax (contract §7.2). */
import type { MailKind, MailVariables } from './mail.ts';

const defaults: Record<MailKind, string> = {
  invite: "You've been invited",
  confirmation: 'Confirm your email address',
  recovery: 'Reset your password',
  magic_link: 'Your sign-in link',
  email_change: 'Confirm your new email address',
  reauthentication: '{{ .Token }} is your verification code',
};

/** `{{ .Token }}`, `{{ .Data.full_name }}`, with Go's `{{-` and `-}}`, which take the blanks beside them away. */
const FIELD = /(\s*)\{\{(-)?\s*\.([A-Za-z]\w*(?:\.\w+)*)\s*(-)?\}\}(\s*)/g;
const SUBJECT_MAX_LENGTH = 200;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;

/** True of a template that needs nothing of Go's but fields: no conditions, pipes or functions. */
export function isSubjectTemplate(template: string): boolean {
  return !template.replace(FIELD, '').includes('{{');
}

/**
 * The subject of one mail, on one line whatever the values hold. A template that is not understood is passed over, as
 * GoTrue passes over one that does not compile.
 */
export function subjectOf(kind: MailKind, override: string | undefined, variables: MailVariables): string {
  const template = override && isSubjectTemplate(override) ? override : defaults[kind];
  const filled = template.replace(FIELD, (_all, before, trimBefore, path, trimAfter, after) =>
    [trimBefore ? '' : before, fieldOf(variables, path), trimAfter ? '' : after].join(''),
  );
  return filled.replace(CONTROL_CHARACTERS, ' ').trim().slice(0, SUBJECT_MAX_LENGTH);
}

function fieldOf(variables: MailVariables, path: string): string {
  let value: unknown = variables;
  for (const name of path.split('.')) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? value[name as never] : undefined;
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : '';
}
