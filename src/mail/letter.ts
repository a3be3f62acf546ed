/** What a mail says, before it has a shape: one thing to do, how long it can be done, and what to do if it was not you. */
import type { Mail } from './mail.ts';

export interface Letter {
  /** What mail readers show beside the subject. */
  preview: string;
  heading: string;
  paragraphs: string[];
  action?: { label: string; url: string };
  code?: string;
  /** In small print. */
  notes: string[];
}

export interface LetterSettings {
  /** Who writes: the portal's name. */
  portal: string;
  link_life_seconds: number;
  code_life_seconds: number;
}

export function letterOf({ kind, variables, to }: Mail, settings: LetterSettings): Letter {
  const { portal } = settings;
  const url = variables.ConfirmationURL ?? '';
  const once = `The link works once and expires after ${duration(settings.link_life_seconds)}.`;
  const ignore = 'If you did not ask for this, you can ignore this mail: nothing changes without the link.';

  switch (kind) {
    case 'confirmation':
      return {
        preview: `One click, and your account at ${portal} is ready.`,
        heading: 'Confirm your email address',
        paragraphs: [
          `Thank you for signing up at ${portal}. Please confirm that ${to} is your address, and your account is ready.`,
        ],
        action: { label: 'Confirm email address', url },
        notes: [
          once,
          'If you did not sign up, you can ignore this mail. Nobody can use the account unless you confirm it.',
        ],
      };
    case 'recovery':
      return {
        preview: `Choose a new password for ${portal}.`,
        heading: 'Reset your password',
        paragraphs: [
          `Somebody asked for a new password for your account at ${portal}. If that was you, choose one here.`,
        ],
        action: { label: 'Choose a new password', url },
        notes: [once, 'If that was not you, you can ignore this mail. Your password stays as it is.'],
      };
    case 'magic_link':
      return {
        preview: `Sign in to ${portal} without a password.`,
        heading: 'Your sign-in link',
        paragraphs: [`Sign in to ${portal} as ${variables.Email}.`],
        action: { label: 'Sign in', url },
        notes: [once, `Whoever has the link can sign in as you: do not pass it on. ${ignore}`],
      };
    case 'invite':
      return {
        preview: `An account at ${portal} is waiting for you.`,
        heading: `You are invited to ${portal}`,
        paragraphs: [`An account at ${portal} has been prepared for ${to}. Accept the invitation, and it is yours.`],
        action: { label: 'Accept the invitation', url },
        notes: [once, 'If you did not expect an invitation, you can ignore this mail.'],
      };
    case 'email_change':
      return emailChange(to, variables.Email, variables.NewEmail ?? '', portal, url, once);
    case 'reauthentication':
      return {
        preview: 'Enter it where you were asked for it.',
        heading: 'Your verification code',
        paragraphs: [`To go on at ${portal}, enter this code where you were asked for it.`],
        code: variables.Token,
        notes: [
          `The code works once and expires after ${duration(settings.code_life_seconds)}.`,
          `Nobody from ${portal} will ever ask you for it. If you did not ask for a code, somebody else is signed in as you: change your password.`,
        ],
      };
  }
}

function emailChange(to: string, from: string, into: string, portal: string, url: string, once: string): Letter {
  const isOld = from !== '' && to === from;
  const change = from === '' ? `to ${into}` : `from ${from} to ${into}`;
  return {
    preview: isOld ? `Your address at ${portal} is about to change.` : `Make this your address at ${portal}.`,
    heading: isOld ? 'Your email address is about to change' : 'Confirm your new email address',
    paragraphs: [
      `The email address of your account at ${portal} is about to change ${change}. It changes only when that is confirmed${isOld ? ', from here and from the new address' : ''}.`,
    ],
    action: { label: isOld ? 'Allow the change' : 'Confirm this address', url },
    notes: [
      once,
      isOld
        ? 'If you did not ask for this, do not confirm it, and change your password: somebody else is signed in as you.'
        : 'If you have no account there, ignore this mail: nothing changes without the link.',
    ],
  };
}

/** "24 hours", "90 minutes": the largest unit that comes out even. */
function duration(seconds: number): string {
  const units = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ] as const;
  const whole = Math.floor(seconds);
  const [size, name] = units.find(([size]) => whole >= size && whole % size === 0) ?? units[3];
  // A day is said as what most people count it in.
  if (whole === 86_400) return '24 hours';
  const count = whole / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
