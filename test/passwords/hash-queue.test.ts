import { describe, expect, it } from 'vitest';
import { AuthError } from '../../src/errors.ts';
import { createHashQueue } from '../../src/passwords/hash-queue.ts';

interface Work {
  name: string;
  worked_ms: number;
}

const done = { name: 'done', worked_ms: 1 };

/** Work that runs until it is told to end, and the order in which such work began. */
function workshop() {
  const began: string[] = [];
  const endings = new Map<string, () => void>();
  return {
    began,
    work: (name: string) => () => {
      began.push(name);
      return new Promise<Work>((resolve) => endings.set(name, () => resolve({ name, worked_ms: 1 })));
    },
    end: (name: string) => endings.get(name)?.(),
    /** Each after what followed from the end of the one before. */
    async endInTurn(...names: string[]) {
      for (const name of names) {
        endings.get(name)?.();
        await settle();
      }
    },
  };
}

/** Lets everything happen that waits for nothing but promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const unlimited = { budget_ms: Number.POSITIVE_INFINITY, expected_ms: 1 };

describe('a hash queue', () => {
  it('never does more at once than it has slots, and begins the rest in the order of their arrival', async () => {
    const queue = createHashQueue({ concurrency: 2, ...unlimited });
    const { began, work, end } = workshop();
    const all = ['a', 'b', 'c', 'd'].map((name) => queue.run(work(name)));
    await settle();
    expect(began).toEqual(['a', 'b']);
    expect([queue.running, queue.waiting]).toEqual([2, 2]);
    end('b');
    await settle();
    expect(began).toEqual(['a', 'b', 'c']);
    end('a');
    await settle();
    expect(began).toEqual(['a', 'b', 'c', 'd']);
    end('c');
    end('d');
    expect((await Promise.all(all)).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('refuses at once whoever would wait longer than the budget, and says when to come back', async () => {
    // Three waiting hashes of 1.5 s on two slots are 2.25 s of waiting for a fourth.
    const queue = createHashQueue({ concurrency: 2, budget_ms: 2000, expected_ms: 1500 });
    const { work, endInTurn, began } = workshop();
    const admitted = ['a', 'b', 'c', 'd', 'e'].map((name) => queue.run(work(name)));
    await expect(queue.run(work('f'))).rejects.toMatchObject({
      error_code: 'service_overloaded',
      status: 503,
      retry_after_seconds: 3,
    });
    expect(() => queue.refuseWhenFull()).toThrow(AuthError);
    expect(began).not.toContain('f');

    await endInTurn('a', 'b', 'c', 'd', 'e');
    await Promise.all(admitted);
    expect(() => queue.refuseWhenFull()).not.toThrow();
  });

  it('always takes a hash that need not wait, however long one takes', async () => {
    const queue = createHashQueue({ concurrency: 1, budget_ms: 1, expected_ms: 60_000 });
    expect(await queue.run(async () => done)).toBe(done);
  });

  it('forgets a waiting hash whose signal fires, and never begins it', async () => {
    const queue = createHashQueue({ concurrency: 1, ...unlimited });
    const { began, work, end } = workshop();
    const running = queue.run(work('a'));
    const client = new AbortController();
    const waiting = queue.run(work('b'), { signal: client.signal });
    const next = queue.run(work('c'));
    client.abort(new Error('client gone'));
    await expect(waiting).rejects.toThrow('client gone');
    end('a');
    await running;
    await settle();
    end('c');
    await next;
    expect(began).toEqual(['a', 'c']);
    await expect(queue.run(work('d'), { signal: client.signal })).rejects.toThrow('client gone');
  });

  // A guess whose hash ran must be counted, or hanging up early would make guessing free.
  it('ends and delivers a hash that had begun when its signal fires', async () => {
    const queue = createHashQueue({ concurrency: 1, ...unlimited });
    const { work, end } = workshop();
    const client = new AbortController();
    const running = queue.run(work('a'), { signal: client.signal });
    await settle();
    client.abort();
    end('a');
    expect(await running).toMatchObject({ name: 'a' });
  });

  it('gives its slot back when the work fails, even before it returned a promise', async () => {
    const queue = createHashQueue({ concurrency: 1, ...unlimited });
    await expect(queue.run(() => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory');
    await expect(
      queue.run(() => {
        throw new Error('bad salt');
      }),
    ).rejects.toThrow('bad salt');
    expect(await queue.run(async () => done)).toBe(done);
    expect(queue.running).toBe(0);
  });

  it('lets work that needs every slot run alone, in its turn', async () => {
    const queue = createHashQueue({ concurrency: 2, ...unlimited });
    const { began, work, end } = workshop();
    const all = [
      queue.run(work('light')),
      queue.run(work('heavy'), { slots: Number.POSITIVE_INFINITY }),
      queue.run(work('after')),
    ];
    await settle();
    expect(began).toEqual(['light']);
    end('light');
    await settle();
    expect(began).toEqual(['light', 'heavy']);
    expect(queue.running).toBe(2);
    end('heavy');
    await settle();
    expect(began).toEqual(['light', 'heavy', 'after']);
    end('after');
    await Promise.all(all);
  });

  it('holds nobody up behind heavy work that was given up', async () => {
    const queue = createHashQueue({ concurrency: 2, ...unlimited });
    const { began, work, end } = workshop();
    const client = new AbortController();
    const light = queue.run(work('light'));
    const heavy = queue.run(work('heavy'), { slots: 2, signal: client.signal });
    const after = queue.run(work('after'));
    client.abort(new Error('client gone'));
    await expect(heavy).rejects.toThrow('client gone');
    await settle();
    expect(began).toEqual(['light', 'after']);
    end('light');
    end('after');
    await Promise.all([light, after]);
  });

  describe('that gives work over ahead of its turn', () => {
    it('has given over so many more than it has slots, and says of those that they wait', async () => {
      const queue = createHashQueue({ concurrency: 2, ahead: 1, ...unlimited });
      const { began, work, endInTurn } = workshop();
      const all = ['a', 'b', 'c', 'd'].map((name) => queue.run(work(name)));
      await settle();
      expect(began).toEqual(['a', 'b', 'c']);
      expect([queue.running, queue.waiting]).toEqual([2, 2]);
      await endInTurn('a', 'b', 'c', 'd');
      await Promise.all(all);
      expect([queue.running, queue.waiting]).toEqual([0, 0]);
    });

    it('gives over work of several slots when they are free, and nothing ahead beside it', async () => {
      const queue = createHashQueue({ concurrency: 3, ahead: 3, ...unlimited });
      const { began, work, end } = workshop();
      const all = [
        queue.run(work('light')),
        queue.run(work('light too')),
        queue.run(work('wide'), { slots: 2 }),
        queue.run(work('beside')),
        queue.run(work('after')),
      ];
      await settle();
      expect(began).toEqual(['light', 'light too']);
      end('light');
      await settle();
      expect(began).toEqual(['light', 'light too', 'wide']);
      end('light too');
      await settle();
      expect(began).toEqual(['light', 'light too', 'wide', 'beside']);
      expect([queue.running, queue.waiting]).toEqual([3, 1]);
      end('wide');
      await settle();
      expect(began).toEqual(['light', 'light too', 'wide', 'beside', 'after']);
      end('beside');
      end('after');
      await Promise.all(all);
    });

    it('counts what it gave over ahead as waiting when it refuses', async () => {
      const queue = createHashQueue({ concurrency: 1, ahead: 1, budget_ms: 2000, expected_ms: 1500 });
      const { work, endInTurn } = workshop();
      const admitted = ['a', 'b', 'c'].map((name) => queue.run(work(name)));
      expect(() => queue.refuseWhenFull()).toThrow(AuthError);
      await endInTurn('a', 'b', 'c');
      await Promise.all(admitted);
    });
  });
});
