/** The pages of the mailbox: no script, nothing from anywhere else, every value escaped. */
import { createHash } from 'node:crypto';
import { escaped } from './html-template.ts';
import type { KeptMail } from './mailbox.ts';

const STYLE = `
:root { color-scheme: light dark; --page: #f2f4f7; --card: #fff; --ink: #16202b; --quiet: #5b6875; --line: #dfe4ea;
  --accent: #1f5fbf; --on-accent: #fff; --chosen: #e8f0fb; }
@media (prefers-color-scheme: dark) { :root { --page: #10161d; --card: #1a222c; --ink: #eef2f6; --quiet: #a3b0bd; --line: #2c3744;
  --accent: #8ab4f8; --on-accent: #10161d; --chosen: #22304a; } }
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; background: var(--page); color: var(--ink);
  font: 15px/1.5 -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; }
a { color: var(--accent); }
header { display: flex; align-items: baseline; gap: 12px; padding: 14px 22px; background: var(--card); border-bottom: 1px solid var(--line); }
header h1 { margin: 0; font-size: 17px; }
header h1 a { color: inherit; text-decoration: none; }
header p { margin: 0; color: var(--quiet); font-size: 13px; }
main { flex: 1; display: grid; grid-template-columns: 340px 1fr; min-height: 0; }
nav { overflow-y: auto; border-right: 1px solid var(--line); background: var(--card); }
nav ol { margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: 12px 22px; border-bottom: 1px solid var(--line); color: inherit; text-decoration: none; }
nav a:hover { background: var(--page); }
nav a[aria-current] { background: var(--chosen); box-shadow: inset 3px 0 var(--accent); }
nav strong { display: block; font-weight: 600; overflow-wrap: anywhere; }
nav span { display: flex; justify-content: space-between; gap: 12px; color: var(--quiet); font-size: 13px; }
nav span span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
article { display: flex; flex-direction: column; gap: 14px; min-width: 0; min-height: 0; padding: 20px 26px; overflow-y: auto; }
article h2 { margin: 0; font-size: 20px; line-height: 1.3; overflow-wrap: anywhere; }
article p { margin: 0; color: var(--quiet); font-size: 14px; overflow-wrap: anywhere; }
.links { display: flex; flex-wrap: wrap; gap: 10px 16px; align-items: center; }
.links a { padding: 8px 16px; border-radius: 8px; background: var(--accent); color: var(--on-accent); font-weight: 600; text-decoration: none; }
.code { padding: 6px 14px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink);
  font: 600 20px/1.4 ui-monospace, Menlo, Consolas, monospace; letter-spacing: 3px; user-select: all; }
iframe { flex: 1 0 460px; width: 100%; border: 1px solid var(--line); border-radius: 10px; background: var(--page); }
details { color: var(--quiet); font-size: 14px; }
summary { cursor: pointer; }
pre { margin: 10px 0 0; padding: 14px 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink);
  font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.nothing { margin: auto; max-width: 30em; text-align: center; }
.nothing h2 { margin-bottom: 8px; }
@media (max-width: 760px) { main { display: block; overflow-y: auto; } nav { border-right: 0; } nav ol { max-height: 45vh; overflow-y: auto; } }
`;

/** Pages have this style and no other, and frames of our own. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A mail may have styles. It runs nothing, fetches nothing, and opens its links in a page of their own. */
export const MAIL_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-popups allow-popups-to-escape-sandbox',
].join('; ');

/** @param chosen is shown beside the list */
export function mailboxPage(mails: readonly KeptMail[], chosen?: KeptMail): string {
  const count = mails.length === 1 ? '1 mail' : `${mails.length} mails`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${chosen ? '' : '<meta http-equiv="refresh" content="5">\n'}<title>${escaped(chosen ? chosen.subject : `Mailbox (${mails.length})`)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1><a href="/mailbox">Mailbox</a></h1><p>${count}. What would be sent if there were a mail server; only this machine can open this page.</p></header>
<main>
<nav aria-label="Mails"><ol>
${mails.map((mail) => `<li>${entry(mail, mail.name === chosen?.name)}</li>`).join('\n')}
</ol></nav>
${chosen ? article(chosen) : nothing(mails.length)}
</main>
</body>
</html>
`;
}

function entry({ name, to, subject, sent_at }: KeptMail, isChosen: boolean): string {
  return `<a href="/mailbox/${name}"${isChosen ? ' aria-current="page"' : ''}><strong>${escaped(subject)}</strong><span><span>${escaped(to)}</span> ${time(sent_at)}</span></a>`;
}

function article({ name, to, subject, kind, sent_at, text }: KeptMail): string {
  const lines = text.split('\n').map((line) => line.trim());
  const addresses = [...new Set(lines.flatMap((line) => /(?:^|: )(https?:\/\/\S+)$/.exec(line)?.[1] ?? []))];
  const codes = [...new Set(lines.filter((line) => /^\d{6,10}$/.test(line)))];
  const links = [
    ...addresses.map((address, place) => link(address, place === 0 ? 'Open the link' : `Open link ${place + 1}`)),
    ...codes.map((code) => `<span class="code">${code}</span>`),
  ];
  return `<article>
<h2>${escaped(subject)}</h2>
<p>To ${escaped(to)}, ${time(sent_at)} UTC, ${escaped(kind.replaceAll('_', ' '))}</p>
${links.length > 0 ? `<div class="links">${links.join('')}</div>\n` : ''}<iframe src="/mailbox/${name}/html" title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>
<details><summary>As plain text</summary><pre>${escaped(text)}</pre></details>
</article>`;
}

const link = (address: string, label: string) =>
  `<a href="${escaped(address)}" target="_blank" rel="noopener noreferrer">${label}</a>`;

function nothing(count: number): string {
  const [heading, sentence] =
    count === 0
      ? ['No mail yet', 'Sign somebody up, and the mail is here. This page looks for it every five seconds.']
      : ['Choose a mail', 'New ones come to the top of the list; this page looks for them every five seconds.'];
  return `<article><div class="nothing"><h2>${heading}</h2><p>${sentence}</p></div></article>`;
}

function time(date: Date): string {
  const iso = date.toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
}

/** A mail whose links leave the frame that it is shown in. */
export function framedMail(html: string): string {
  const base = '<base target="_blank">';
  const head = /<head\b[^>]*>/i.exec(html) ?? /<html\b[^>]*>/i.exec(html) ?? /^\s*<!doctype[^>]*>/i.exec(html);
  const at = head ? head.index + head[0].length : 0;
  return html.slice(0, at) + base + html.slice(at);
}
