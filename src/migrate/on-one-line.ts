/** What begins another line, steers a terminal, or turns the direction in which a line is read. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const written = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The text as a line of its own shows it: names of a source may hold anything, and say no more than they are. */
export function onOneLine(text: string): string {
  return text.replace(UNSEEN, written);
}

/** JSON of which the same is true. */
export function jsonLine(value: unknown): string {
  return onOneLine(JSON.stringify(value));
}
