/** Pages by number, as a real GoTrue answered (contract §9.1, recordings admin-list-*). */
import supertest from 'supertest';
import { describe, expect, it, test } from 'vitest';
import { type Page, pageOf, setPageHeaders } from '../../src/http/paging.ts';
import { sendJson } from '../../src/http/send-json.ts';
import { smallApp } from './small-app.ts';

/** A list of so many. */
function listOf(total: number) {
  const { app } = smallApp([
    [
      'get',
      '/list{/}',
      (req, res) => {
        const page: Page = pageOf(req);
        setPageHeaders(req, res, page, total);
        sendJson(res, { ...page, number: String(page.number) });
      },
    ],
  ]);
  return supertest(app);
}

describe('the links of a page', () => {
  it.each<[what: string, url: string, total: number, link: string]>([
    ['nothing at all', '/list', 0, '</list?page=0>; rel="last"'],
    ['one page', '/list', 3, '</list?page=1>; rel="last"'],
    ['empty parameters', '/list?page=&per_page=', 3, '</list?page=1&per_page=>; rel="last"'],
    ['a trailing slash', '/list/', 0, '</list/?page=0>; rel="last"'],
    ['50 to a page', '/list', 53, '</list?page=2>; rel="next", </list?page=2>; rel="last"'],
    ['the last page', '/list?page=2', 53, '</list?page=2>; rel="last"'],
    ['a page beyond', '/list?page=12&per_page=5', 53, '</list?page=11&per_page=5>; rel="last"'],
    [
      'page 0, which is the first',
      '/list?page=0&per_page=2',
      3,
      '</list?page=1&per_page=2>; rel="next", </list?page=2&per_page=2>; rel="last"',
    ],
    [
      'the names in order, page before what follows it',
      '/list?sort=created_at%20asc&per_page=2',
      3,
      '</list?page=2&per_page=2&sort=created_at+asc>; rel="next", </list?page=2&per_page=2&sort=created_at+asc>; rel="last"',
    ],
    [
      'a repeated page, of which the first counts',
      '/list?page=1&page=2&per_page=2',
      3,
      '</list?page=2&per_page=2>; rel="next", </list?page=2&per_page=2>; rel="last"',
    ],
    ['a comma, which would end the link', '/list?filter=a,b', 1, '</list?filter=a%2Cb&page=1>; rel="last"'],
    ['signs that Go spells otherwise', '/list?filter=@*~%C3%A5', 1, '</list?filter=%40%2A~%C3%A5&page=1>; rel="last"'],
    ['a second question mark', '/list?filter=a?b', 1, '</list?filter=a%3Fb&page=1>; rel="last"'],
  ])('%s', async (_what, url, total, link) => {
    const response = await listOf(total).get(url);
    expect(response.status).toBe(200);
    expect(response.headers.link).toBe(link);
    expect(response.headers['x-total-count']).toBe(String(total));
  });
});

describe('what is no page is refused', () => {
  it.each<[url: string, complaint: string]>([
    ['/list?page=-1', 'strconv.ParseUint: parsing "-1": invalid syntax'],
    ['/list?page=one', 'strconv.ParseUint: parsing "one": invalid syntax'],
    ['/list?page=1.5', 'strconv.ParseUint: parsing "1.5": invalid syntax'],
    ['/list?page=%2B1', 'strconv.ParseUint: parsing "+1": invalid syntax'],
    ['/list?per_page=many', 'strconv.ParseUint: parsing "many": invalid syntax'],
    ['/list?page=99999999999999999999', 'strconv.ParseUint: parsing "99999999999999999999": value out of range'],
    ['/list?per_page=0', 'per_page must not be 0'],
    [`/list?page=${'x'.repeat(2000)}`, `strconv.ParseUint: parsing "${'x'.repeat(32)}": invalid syntax`],
  ])('%s', async (url, complaint) => {
    const { status, body } = await listOf(3).get(url);
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error_code: 'validation_failed',
      msg: `Bad Pagination Parameters: ${complaint}`,
    });
  });

  test('a NUL, which PostgreSQL cannot hold', async () => {
    expect((await listOf(3).get('/list?page=%00')).status).toBe(400);
  });
});

describe('where a page begins', () => {
  it.each<[url: string, limit: number, offset: string]>([
    ['/list', 50, '0'],
    ['/list?page=0&per_page=2', 2, '0'],
    ['/list?page=3&per_page=7', 7, '14'],
    // One answer holds no more than the process can.
    ['/list?page=2&per_page=1000000', 10_000, '10000'],
    // The largest that Go reads, and nothing that PostgreSQL cannot.
    ['/list?page=18446744073709551615&per_page=18446744073709551615', 10_000, '9223372036854775807'],
  ])('%s', async (url, limit, offset) => {
    expect((await listOf(3).get(url)).body).toMatchObject({ limit, offset });
  });
});
