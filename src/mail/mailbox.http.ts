/**
 * GET /mailbox, GET /mailbox/{name}, GET /mailbox/{name}/html: mails that are kept in a directory (MAILBOX) because there is no
 * mail server. They hold what makes people sign in, so only a browser on this machine is shown them, whatever a header says.
 */
import type { Request, RequestHandler, Response } from 'express';
import type { Settings } from '../config.ts';
import { canonicalAddress } from '../http/caller.ts';
import { notFound, type Route } from '../http/routes.ts';
import { findKeptHtml, findKeptMail, listKeptMails } from './mailbox.ts';
import { framedMail, MAIL_POLICY, mailboxPage, PAGE_POLICY } from './mailbox-page.ts';

/** None where mail leaves, or is not kept. */
export function mailboxRoutes({ mailbox, smtp_host }: Settings): Route[] {
  if (mailbox === undefined || smtp_host !== undefined) return [];
  return [
    ['get', '/mailbox', fromThisMachine, list(mailbox)],
    ['get', '/mailbox/:name', fromThisMachine, read(mailbox)],
    ['get', '/mailbox/:name/html', fromThisMachine, readHtml(mailbox)],
  ];
}

function list(directory: string): RequestHandler {
  return async (_req, res) => send(res, mailboxPage(await listKeptMails(directory)), PAGE_POLICY);
}

function read(directory: string): RequestHandler {
  return async (req, res, next) => {
    const mail = await findKeptMail(directory, nameOf(req));
    if (!mail) return notFound(req, res, next);
    send(res, mailboxPage(await listKeptMails(directory), mail), PAGE_POLICY);
  };
}

function readHtml(directory: string): RequestHandler {
  return async (req, res, next) => {
    const html = await findKeptHtml(directory, nameOf(req));
    if (html === undefined) return notFound(req, res, next);
    res.setHeader('X-Frame-Options', 'SAMEORIGIN');
    send(res, framedMail(html), MAIL_POLICY);
  };
}

const nameOf = ({ params }: Request) => String(params.name);

function send(res: Response, html: string, policy: string): void {
  res.setHeader('Content-Type', 'text/html; charset=utf-8');
  res.setHeader('Content-Security-Policy', policy);
  res.end(html);
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1)$/;
/** A name that somebody else has given our address would make their page ours (DNS rebinding). */
const OWN_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
/** Somebody speaks for somebody else: a proxy on this machine is at a loopback address too. */
const FORWARDING = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'];

/** For everybody else there is no such path. */
const fromThisMachine: RequestHandler = (req, res, next) => {
  const { headers, socket } = req;
  const isOurs =
    LOOPBACK.test(canonicalAddress(socket.remoteAddress) ?? '') &&
    OWN_NAME.test(headers.host ?? '') &&
    FORWARDING.every((name) => headers[name] === undefined) &&
    isOpenedByPerson(req);
  if (isOurs) next();
  else notFound(req, res, next);
};

/** By a person, or by our own page: no page of somebody else's asks for it behind their back. */
function isOpenedByPerson({ headers }: Request): boolean {
  if (headers.origin !== undefined) return false;
  const site = headers['sec-fetch-site'] ?? 'none';
  if (site === 'none' || site === 'same-origin') return true;
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}
