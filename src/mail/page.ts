/**
 * A letter as HTML and as plain text. The HTML is what mail readers understand: tables, styles on the elements, no script, no
 * picture, no address but that of the action, so that nothing is fetched and nothing leads elsewhere. Every value is escaped.
 */
import { escaped } from './html-template.ts';
import type { Letter } from './letter.ts';

const FONT = "font-family: -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;";
const INK = '#16202b';
const QUIET = '#5b6875';
const ACCENT = '#1f5fbf';

/** @param portal who writes */
export function htmlPage(letter: Letter, portal: string): string {
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>${escaped(letter.heading)}</title>
<style>
@media (prefers-color-scheme: dark) {
  .page { background: #10161d !important; }
  .card { background: #1a222c !important; border-color: #2c3744 !important; }
  .ink { color: #eef2f6 !important; }
  .quiet { color: #a3b0bd !important; }
  .code { background: #10161d !important; border-color: #2c3744 !important; }
  .rule { border-color: #2c3744 !important; }
  .fallback { color: #8ab4f8 !important; }
}
@media (max-width: 600px) {
  .card { padding: 28px 22px !important; }
  .button a { display: block !important; text-align: center !important; }
}
</style>
</head>
<body class="page" style="margin: 0; padding: 0; background: #f2f4f7;">
<div style="display: none; mso-hide: all; max-height: 0; overflow: hidden; font-size: 1px; line-height: 1px;">${escaped(letter.preview)}${'&#8199;&#847; '.repeat(30)}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background: #f2f4f7;">
<tr><td align="center" style="padding: 36px 12px;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width: 520px;">
<tr><td class="quiet" style="padding: 0 4px 14px; ${FONT} font-size: 14px; font-weight: 600; color: ${QUIET};">${escaped(portal)}</td></tr>
<tr><td class="card" style="padding: 36px 40px; background: #ffffff; border: 1px solid #dfe4ea; border-radius: 12px;">
<h1 class="ink" style="margin: 0 0 16px; ${FONT} font-size: 23px; line-height: 30px; font-weight: 700; color: ${INK};">${escaped(letter.heading)}</h1>
${letter.paragraphs.map(paragraph).join('\n')}
${letter.action ? button(letter.action) : ''}${letter.code ? code(letter.code) : ''}<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td class="rule" style="padding-top: 20px; border-top: 1px solid #dfe4ea;">
${[...letter.notes, ...(letter.action ? [fallback(letter.action.url)] : [])].map(note).join('\n')}
</td></tr></table>
</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

export function plainText(letter: Letter, portal: string): string {
  const { heading, paragraphs, action, code: digits, notes } = letter;
  return [
    heading,
    ...paragraphs,
    ...(action ? [`${action.label}:\n${action.url}`] : []),
    ...(digits ? [`    ${digits}`] : []),
    ...notes,
    `-- \n${portal}`,
  ]
    .join('\n\n')
    .concat('\n');
}

function paragraph(text: string): string {
  return `<p class="ink" style="margin: 0 0 24px; ${FONT} font-size: 16px; line-height: 25px; color: ${INK}; word-break: break-word;">${escaped(text)}</p>`;
}

/** The last one ends the card. */
function note(text: string | Html, place: number, all: readonly unknown[]): string {
  const below = place === all.length - 1 ? 0 : 12;
  const html = typeof text === 'string' ? escaped(text) : text.html;
  return `<p class="quiet" style="margin: 0 0 ${below}px; ${FONT} font-size: 13px; line-height: 20px; color: ${QUIET};">${html}</p>`;
}

/** A border is room around the words in every mail reader; padding is none in Outlook's. */
function button({ label, url }: { label: string; url: string }): string {
  return `<table role="presentation" class="button" width="100%" cellpadding="0" cellspacing="0" border="0" style="margin: 0 0 28px;"><tr><td>
<a href="${escaped(url)}" style="display: inline-block; border: solid ${ACCENT}; border-width: 13px 26px; background: ${ACCENT}; border-radius: 8px; ${FONT} font-size: 16px; line-height: 22px; font-weight: 600; color: #ffffff; text-decoration: none;">${escaped(label)}</a>
</td></tr></table>
`;
}

function code(digits: string): string {
  return `<p class="code ink" style="margin: 0 0 28px; padding: 16px 8px; background: #f2f4f7; border: 1px solid #dfe4ea; border-radius: 8px; font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 30px; line-height: 36px; font-weight: 600; letter-spacing: 6px; text-indent: 6px; text-align: center; color: ${INK};">${escaped(digits)}</p>
`;
}

interface Html {
  html: string;
}

function fallback(url: string): Html {
  return {
    html: `If the button does not work, copy this address into your browser:<br><a class="fallback" href="${escaped(url)}" style="color: ${ACCENT}; word-break: break-all;">${escaped(url)}</a>`,
  };
}
