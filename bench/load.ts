/**
 * The load, a process of its own: autocannon on so many connections, each with one request at a time. One job per message,
 * one answer for each.
 */
import autocannon, { type Client, type Request } from 'autocannon';

/** Requests that are made beforehand, dealt out over the connections, and sent again from the first one on. */
export interface Repeated {
  kind: 'repeated';
  requests: Request[];
}

/**
 * Requests of which each needs a word from the answer before: `{}` in the body. The links are dealt out over the
 * connections, and each connection goes on with one after the other.
 */
export interface Chained {
  kind: 'chained';
  path: string;
  body: string;
  /** The first words, one per chain. A chain is sent in one round, and the next round is given its last word. */
  words: string[];
  /** The member of the answer whose text is the next word. */
  member: string;
}

export interface Job {
  url: string;
  connections: number;
  seconds: number;
  load: Repeated | Chained;
}

export interface Outcome {
  perSecond: number;
  medianMs: number;
  /** Answers other than 2xx, and requests that had none. */
  failed: number;
  /** Of chained requests: the words to go on with. Those are lost whose answer was under way at the end. */
  words: string[];
}

const JSON_BODY = { 'content-type': 'application/json' };

process.on('message', async (job: Job) => process.send?.(await run(job)));

async function run({ url, connections, seconds, load }: Job): Promise<Outcome> {
  const chains = load.kind === 'chained' ? load.words.map((word) => ({ word: word as string | undefined })) : [];
  let connection = 0;
  const setupClient = (client: Client) => {
    const own = <T>(all: readonly T[]) => all.filter((_, n) => n % connections === place);
    const place = connection++;
    if (load.kind === 'repeated') client.setRequests(own(load.requests));
    else link(client, load, own(chains));
  };
  const result = await autocannon({ url, connections, duration: seconds, sampleInt: 100, setupClient });
  return {
    perSecond: result['2xx'] / result.duration,
    medianMs: result.latency.p50,
    failed: result.non2xx + result.errors + result.timeouts,
    words: chains.flatMap(({ word }) => (word === undefined ? [] : [word])),
  };
}

/** Sends one chain after the other, each with its newest word. */
function link(client: Client, { path, body, member }: Chained, chains: { word: string | undefined }[]): void {
  const next = new RegExp(`"${member}":"([^"]+)"`);
  let turn = 0;
  let answer = '';

  function prepare(): void {
    const chain = chains[turn];
    if (chain?.word === undefined) throw new Error('there are more connections than chains');
    client.setRequests([{ method: 'POST', path, headers: JSON_BODY, body: body.replace('{}', chain.word) }]);
    // Until the answer is there nobody knows whether it was used.
    chain.word = undefined;
  }

  client.on('headers', () => {
    answer = '';
  });
  client.on('body', (piece) => {
    answer += piece.toString('latin1');
    const [, word] = next.exec(answer) ?? [];
    const chain = chains[turn];
    if (word === undefined || !chain || chain.word !== undefined) return;
    chain.word = word;
    turn = (turn + 1) % chains.length;
    prepare();
  });
  prepare();
}
