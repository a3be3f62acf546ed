/** Which gatehouse this is. */
import { readFileSync } from 'node:fs';

/** The same path from src and from dist. */
const manifest = new URL('../package.json', import.meta.url);

/** Of this gatehouse, as package.json says it. */
export const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
