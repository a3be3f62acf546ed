/** What is in a mail: the operator's own template where there is one, else our letter, as a page and in plain text. */
import type { Settings } from '../config.ts';
import { type LetterSettings, letterOf } from './letter.ts';
import type { Mail } from './mail.ts';
import { htmlPage, plainText } from './page.ts';
import { plainTextOf } from './plain-text.ts';
import { subjectOf } from './subject.ts';
import type { MailTemplates } from './templates.ts';

export interface MailContent {
  subject: string;
  body_html: string;
  body_text: string;
}

/** How long a code can be used, which `one-time-tokens` decides. */
const CODE_LIFE_SECONDS = 3600;

export function contentOf(mail: Mail, settings: Settings, templates: MailTemplates): MailContent {
  const subject = subjectOf(mail.kind, settings[`mailer_subjects_${mail.kind}`], mail.variables);
  const template = templates.of(mail.kind);
  if (template) {
    const body_html = template(mail.variables);
    return { subject, body_html, body_text: plainTextOf(body_html) };
  }
  const letterSettings = letterSettingsOf(settings);
  const letter = letterOf(mail, letterSettings);
  const { portal } = letterSettings;
  return { subject, body_html: htmlPage(letter, portal), body_text: plainText(letter, portal) };
}

export function letterSettingsOf({ smtp_sender_name, site_url, mailer_otp_exp }: Settings): LetterSettings {
  return {
    portal: smtp_sender_name || new URL(site_url).host || site_url,
    link_life_seconds: mailer_otp_exp,
    code_life_seconds: Math.min(mailer_otp_exp, CODE_LIFE_SECONDS),
  };
}
