/** What is kept cannot be kept or read: one sentence that says why and what to do. */
export class HomeUnusable extends Error {
  override readonly name = 'HomeUnusable';
}
