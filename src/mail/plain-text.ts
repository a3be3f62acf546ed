/** What a mail of HTML says without it: the words line by line, and every link with its address. */

const HIDDEN = /<(head|style|script|title)\b[\s\S]*?<\/\1\s*>/gi;
const LINK = /<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>([\s\S]*?)<\/a\s*>/gi;
const ENDS_PARAGRAPH = /<\/(?:p|h[1-6]|table|ul|ol|blockquote|div)\s*>/gi;
const ENDS_LINE = /<br\b[^>]*>|<\/(?:tr|li)\s*>|<hr\b[^>]*>/gi;
/** Of HTML that is well formed enough to be checked (html-template.ts): quotes may hold a `>`. */
const TAG = /<\/?[a-z!](?:[^>"']|"[^"]*"|'[^']*')*>/gi;
const ENTITY = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi;
const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

export function plainTextOf(html: string): string {
  return unescaped(
    html
      .replace(HIDDEN, '')
      .replace(/\s+/g, ' ')
      .replace(LINK, (_all, one: string | undefined, other: string | undefined, label: string) => {
        const words = label.replace(TAG, '').trim();
        const address = one ?? other ?? '';
        return words === address || words === '' ? address : `${words}: ${address}`;
      })
      .replace(ENDS_PARAGRAPH, '\n\n')
      .replace(ENDS_LINE, '\n')
      .replace(/<li\b[^>]*>/gi, '- ')
      .replace(TAG, ''),
  )
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
    .concat('\n');
}

function unescaped(text: string): string {
  return text.replace(ENTITY, (all, decimal, hexadecimal, name) => {
    if (name) return NAMED[name.toLowerCase()] ?? all;
    const code = decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code).toWellFormed() : '';
  });
}
