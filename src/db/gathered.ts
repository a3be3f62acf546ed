/** Group commit for a statement of ours: whoever asks while others are under way goes with the next ones, all in one. */
import pg from 'pg';

export interface GatheredOptions {
  /** Statements under way at once. While there are fewer, everybody goes alone and at once. */
  lanes: number;
  /** Asked in one statement at most. */
  most: number;
}

/**
 * Asks `run` for one, or for all who wait together. It answers in the order in which it is asked.
 *
 * What PostgreSQL refuses for several at once is asked again for each alone, so that nobody fails for another's sake; a
 * connection that breaks fails all of them, as it would have failed each.
 */
export function gathered<Asked, Answer>(
  run: (asked: Asked[]) => Promise<Answer[]>,
  { lanes, most }: GatheredOptions,
): (asked: Asked) => Promise<Answer> {
  interface Waiting extends Omit<PromiseWithResolvers<Answer>, 'promise'> {
    asked: Asked;
  }
  const waiting: Waiting[] = [];
  let underWay = 0;

  function advance(): void {
    while (underWay < lanes && waiting.length > 0) {
      underWay += 1;
      void answer(waiting.splice(0, most)).then(() => {
        underWay -= 1;
        advance();
      });
    }
  }

  async function answer(group: Waiting[]): Promise<void> {
    try {
      const answers = await run(group.map(({ asked }) => asked));
      for (const [n, { resolve }] of group.entries()) resolve(answers[n] as Answer);
    } catch (error) {
      if (group.length > 1 && error instanceof pg.DatabaseError) await Promise.all(group.map((one) => answer([one])));
      else for (const { reject } of group) reject(error);
    }
  }

  return (asked) =>
    new Promise<Answer>((resolve, reject) => {
      waiting.push({ asked, resolve, reject });
      advance();
    });
}
