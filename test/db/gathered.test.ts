import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { gathered } from '../../src/db/gathered.ts';

/** A statement that ends when it is told to, and what each run of it was asked. */
function statementByHand() {
  const runs: { asked: number[]; end: (answers?: string[]) => void; fail: (error: Error) => void }[] = [];
  const run = (asked: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      runs.push({ asked, end: (answers = asked.map((n) => `answer ${n}`)) => resolve(answers), fail: reject });
    });
  return { runs, run, asked: () => runs.map(({ asked }) => asked) };
}

/** Lets everything happen that waits for nothing but promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const refusedByServer = () => new pg.DatabaseError('deadlock detected', 0, 'error');

describe('a gathered statement', () => {
  it('is asked by everybody alone and at once while its lanes are free, and then by all who wait together', async () => {
    const { runs, run, asked } = statementByHand();
    const ask = gathered(run, { lanes: 2, most: 10 });
    const answers = Promise.all([1, 2, 3, 4, 5].map(ask));
    expect(asked()).toEqual([[1], [2]]);
    runs[1]?.end();
    await settle();
    expect(asked()).toEqual([[1], [2], [3, 4, 5]]);
    runs[2]?.end();
    runs[0]?.end();
    expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 3', 'answer 4', 'answer 5']);
    const later = ask(6);
    expect(asked().at(-1)).toEqual([6]);
    runs.at(-1)?.end();
    expect(await later).toBe('answer 6');
  });

  it('is asked for so many at once at most, in the order of their coming', async () => {
    const { runs, run, asked } = statementByHand();
    const ask = gathered(run, { lanes: 1, most: 2 });
    const answers = Promise.all([1, 2, 3, 4].map(ask));
    for (let n = 0; n < 3; n++) {
      runs[n]?.end();
      await settle();
    }
    expect(asked()).toEqual([[1], [2, 3], [4]]);
    expect(await answers).toHaveLength(4);
  });

  it('is asked again for each alone when PostgreSQL refuses it for several, so that one alone fails', async () => {
    const { runs, run, asked } = statementByHand();
    const ask = gathered(run, { lanes: 1, most: 10 });
    const answers = Promise.allSettled([1, 2, 3].map(ask));
    runs[0]?.end();
    await settle();
    runs[1]?.fail(refusedByServer());
    await settle();
    expect(asked()).toEqual([[1], [2, 3], [2], [3]]);
    runs[2]?.fail(refusedByServer());
    runs[3]?.end();
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('fails all who wait for it together when the connection breaks, and then goes on', async () => {
    const { runs, run } = statementByHand();
    const ask = gathered(run, { lanes: 1, most: 10 });
    const answers = Promise.allSettled([1, 2, 3].map(ask));
    runs[0]?.end();
    await settle();
    runs[1]?.fail(new Error('Connection terminated unexpectedly'));
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(runs).toHaveLength(2);
    const later = ask(4);
    runs[2]?.end();
    expect(await later).toBe('answer 4');
  });
});
