/** Paths, methods, and what is answered where there is no such thing (contract §2.0: chi's ways, seen from outside). */
import type { IRouter, RequestHandler } from 'express';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/**
 * A method, a path and its handlers, in order. `otherwise` names what runs for the path's other methods before they
 * are refused: where GoTrue asks for a token first, so do we. A path that GoTrue also routes with a trailing slash is
 * written `/user{/}`.
 */
export type Route = readonly [method: Method | 'otherwise', path: string, ...handlers: RequestHandler[]];

/** Mounts the routes; every other method of their paths, HEAD included, is 405. Unknown paths fall through. */
export function mount(router: IRouter, routes: readonly Route[]): void {
  for (const [path, lines] of Map.groupBy(routes, ([, path]) => path)) {
    const route = router.route(path);
    // Express answers HEAD with what GET would do, unless it is told otherwise first.
    const refusal = [...lines.flatMap(([method, , ...run]) => (method === 'otherwise' ? run : [])), methodNotAllowed];
    route.head(...refusal);
    for (const [method, , ...handlers] of lines) if (method !== 'otherwise') route[method](...handlers);
    route.all(...refusal);
  }
}

/** A path that is known, by a method that it does not have: 405 without a body. */
const methodNotAllowed: RequestHandler = (_req, res) => {
  res.statusCode = 405;
  res.end();
};

/** A path that is not known: Go's plain text, not JSON. */
export const notFound: RequestHandler = (_req, res) => {
  res.statusCode = 404;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end('404 page not found\n');
};
