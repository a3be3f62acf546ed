/**
 * What a database is made of, beside its dump: definitions as they were in the dump's snapshot, so that a restore can be
 * compared with them. Encrypted as the dump is: a function's body may say what not everybody should read.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import type pg from 'pg';
import { byKey, type Catalogue, type CatalogueObject, objectKey, readCatalogue } from '../catalogue/catalogue.ts';
import { compareCatalogues, type Drift } from '../catalogue/compare.ts';
import { decrypt, encrypt } from './age.ts';
import type { AgeKey } from './age-key.ts';
import { listOwnSchemas } from './contents.sql.ts';
import type { StoredFile } from './manifest.ts';
import { streamDurably } from './store.ts';

const DEFINITIONS = 'definitions.json.gz.age';

interface Written extends Omit<Catalogue, 'objects'> {
  objects: CatalogueObject[];
}

/** Definitions of all schemas but PostgreSQL's own. In the caller's transaction. */
export async function readDefinitions(client: pg.ClientBase): Promise<Catalogue> {
  return readCatalogue(client, await listOwnSchemas(client));
}

export async function writeDefinitions(directory: string, definitions: Catalogue, key: AgeKey): Promise<StoredFile> {
  const written: Written = { ...definitions, objects: [...definitions.objects.values()] };
  const plain = Readable.from([gzipSync(JSON.stringify(written))]);
  const bytes = await buffer(encrypt(plain, key));
  await streamDurably(join(directory, DEFINITIONS), Readable.from([bytes]));
  return { file: DEFINITIONS, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** @throws AgeError */
export async function openDefinitions(directory: string, keys: AgeKey[]): Promise<Catalogue> {
  const plain = await buffer(decrypt(createReadStream(join(directory, DEFINITIONS)), keys));
  const { objects, ...rest }: Written = JSON.parse(gunzipSync(plain).toString());
  return { ...rest, objects: byKey(objects) };
}

/** What differs, a sentence each, without a word of what a definition says. */
export function compareDefinitions(recorded: Catalogue, restored: Catalogue): string[] {
  // pg_dump leaves out an index that was built only in part.
  const partial = [...recorded.objects.values()].filter(({ kind, facts }) => kind === 'index' && facts.valid === false);
  const drifts = compareCatalogues(recorded, restored, { absent: new Set(partial.map(objectKey)) });
  return drifts.filter(isOfBackup).map(sentenceOf);
}

/** Roles and settings of the database are not in a dump; of an extension it has the name, and the server its version. */
function isOfBackup({ kind, what }: Drift): boolean {
  return kind !== 'role' && kind !== 'database' && !(kind === 'extension' && what === 'version');
}

function sentenceOf({ kind, object, change, what }: Drift): string {
  if (change === 'changed') return `${kind} ${object} is not as it was: ${what}`;
  const which = what === undefined ? '' : ` (${what})`;
  return `${kind} ${object}${which} ${change === 'missing' ? 'is missing' : 'was not there'}`;
}
