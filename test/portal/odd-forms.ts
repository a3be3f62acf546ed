/** What no tutorial has and a real portal does: see `odd-forms.sql`. */
import { readFile } from 'node:fs/promises';
import { asClient } from './portal-rows.ts';

/** Makes it all in a database that has Supabase's schemas. */
export async function makeOddForms(adminUrl: string): Promise<void> {
  const forms = await readFile(new URL('odd-forms.sql', import.meta.url), 'utf8');
  await asClient(adminUrl, async (admin) => {
    // A label of an enum that was added can be used by the next transaction.
    for (const part of forms.split(/^(?=-- New labels)/m)) await admin.query(part);
  });
}
