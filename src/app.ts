/**
 * Every route with its limiter and its authentication, on one page, in order: what GoTrue has, then what it lacks. Mounted
 * at `/auth/v1`, which supabase-js calls, and at `/`, which a bare auth-js calls.
 */
import { type Express, Router } from 'express';
import { jwks, openidConfiguration } from './access-tokens/jwks.http.ts';
import { listAuditEntries } from './audit/entries.http.ts';
import { listEvents } from './audit/events.http.ts';
import { recordRefusals, refusedAs } from './audit/refusals.http.ts';
import { introspect } from './clients/introspect.http.ts';
import { metrics } from './clients/metrics.http.ts';
import { revoke } from './clients/revoke.http.ts';
import type { Gatehouse } from './gatehouse.ts';
import { refusedGrant, token } from './grants/token.http.ts';
import { identifyCaller } from './http/caller.ts';
import { cors } from './http/cors.ts';
import { createExpress } from './http/express.ts';
import { gate } from './http/gate.http.ts';
import { health, livez, readiness } from './http/health.http.ts';
import { requestLog } from './http/log.ts';
import { openapi } from './http/openapi.http.ts';
import {
  authorizeByProvider,
  callback,
  createCustomProvider,
  createSsoProvider,
  listCustomProviders,
  listSsoProviders,
  unknownCustomProvider,
} from './http/providers.http.ts';
import { createRateLimits, type RateLimits } from './http/rate-limit.ts';
import { createRateLimitStore } from './http/rate-limit-store.ts';
import { mount, notFound, type Route } from './http/routes.ts';
import { securityHeaders } from './http/security-headers.ts';
import { sendError } from './http/send-error.ts';
import { publicSettings } from './http/settings.http.ts';
import { requestTimeout } from './http/timeout.ts';
import { mailboxRoutes } from './mail/mailbox.http.ts';
import {
  changeFactorOfUser,
  deleteFactorOfUser,
  deletePasskeyOfUser,
  findFactorOfPath,
  listFactorsOfUser,
  listPasskeysOfUser,
} from './mfa/admin-factors.http.ts';
import { refuseAnonymous, refuseEnrollment, refuseFactor } from './mfa/factors.http.ts';
import { requireRole } from './roles/require-role.http.ts';
import {
  endEverySession,
  endSessionOfUser,
  endSessionsOfUser,
  listSessionsOfUser,
} from './sessions/admin-sessions.http.ts';
import { requireAdmin, requireSession } from './sessions/bearer.http.ts';
import { logout } from './sessions/logout.http.ts';
import { endSessionOfOwn, listOwnSessions } from './sessions/own-sessions.http.ts';
import {
  changeAnyUser,
  createAnyUser,
  deleteAnyUser,
  findUserOfPath,
  listAllUsers,
  readAnyUser,
} from './users/admin-users.http.ts';
import { requireManualLinking, unlinkOwnIdentity } from './users/identities.http.ts';
import { changeOwnAccount, readOwnUser } from './users/own-user.http.ts';
import { signUp } from './users/sign-up.http.ts';
import { generateAnyLink, invite } from './verification/administered-mail.http.ts';
import { magicLink, otp, recover, resend } from './verification/mail-requests.http.ts';
import { reauthenticate } from './verification/reauthenticate.http.ts';
import { verifyGet, verifyPost } from './verification/verify.http.ts';

export interface App {
  app: Express;
  /** What is below `/auth/v1` and `/`, for tests that try something on every route there is. */
  routes: readonly Route[];
  /** From now on not ready. */
  drain(): void;
  /** Shares what was counted here with the other instances a last time. */
  close(): Promise<void>;
}

function routeTable(gatehouse: Gatehouse, limit: RateLimits, version: string): Route[] {
  const { settings } = gatehouse;
  const user = requireSession(gatehouse);
  const auditor = requireRole(gatehouse, 'auditor');
  const admin = [refusedAs('admin_request_failed'), requireAdmin(gatehouse)] as const;
  const userOfPath = findUserOfPath(gatehouse);
  const factorOfPath = [userOfPath, findFactorOfPath] as const;
  const linking = requireManualLinking(gatehouse);
  const notBuilt = refusedAs('request_failed');
  const noOauthServer = gate('feature_disabled', 'OAuth server is disabled');
  return [
    ['get', '/health', health(version)],
    ['get', '/settings', publicSettings(settings)],
    ['get', '/openapi.yaml', openapi()],
    ['get', '/.well-known/jwks.json', jwks(gatehouse)],
    ['get', '/.well-known/openid-configuration', openidConfiguration(gatehouse)],
    ['get', '/.well-known/oauth-authorization-server', noOauthServer],

    ['post', '/signup{/}', refusedAs('signup_failed'), limit.signup, signUp(gatehouse)],
    ['post', '/recover{/}', refusedAs('recovery_failed'), limit.recover, recover(gatehouse)],
    ['post', '/magiclink{/}', refusedAs('sign_in_link_failed'), limit.magiclink, magicLink(gatehouse)],
    ['post', '/otp{/}', refusedAs('sign_in_link_failed'), limit.otp, otp(gatehouse)],
    ['post', '/resend{/}', refusedAs('resend_failed'), limit.resend, resend(gatehouse)],
    ['get', '/verify{/}', refusedAs('verification_failed'), limit.verify, verifyGet(gatehouse)],
    ['post', '/verify{/}', refusedAs('verification_failed'), limit.verify, verifyPost(gatehouse)],
    ['get', '/reauthenticate{/}', refusedAs('reauthentication_failed'), user, reauthenticate(gatehouse)],
    ['otherwise', '/reauthenticate{/}', refusedAs('reauthentication_failed'), user],
    ['post', '/token', refusedAs(refusedGrant), limit.token, token(gatehouse)],
    ['post', '/logout', refusedAs('logout_failed'), user, logout(gatehouse)],

    ['get', '/user{/}', refusedAs('user_read_failed'), user, readOwnUser],
    ['put', '/user{/}', refusedAs('user_modify_failed'), user, limit.user, changeOwnAccount(gatehouse)],
    ['otherwise', '/user{/}', refusedAs('request_failed'), user],
    ['get', '/user/sessions', refusedAs('user_read_failed'), user, listOwnSessions(gatehouse)],
    ['otherwise', '/user/sessions', refusedAs('request_failed'), user],
    ['delete', '/user/sessions/:session_id', refusedAs('logout_failed'), user, endSessionOfOwn(gatehouse)],
    ['otherwise', '/user/sessions/:session_id', refusedAs('request_failed'), user],
    ['get', '/user/identities/authorize', refusedAs('identity_link_failed'), user, linking, authorizeByProvider],
    ['otherwise', '/user/identities/authorize', refusedAs('request_failed'), user, linking],
    [
      'delete',
      '/user/identities/:identity_id',
      refusedAs('identity_unlink_failed'),
      user,
      linking,
      unlinkOwnIdentity(gatehouse),
    ],
    ['otherwise', '/user/identities/:identity_id', refusedAs('request_failed'), user, linking],
    ['otherwise', '/user/oauth/grants', notBuilt, user, noOauthServer],
    ['otherwise', '/user/*rest', refusedAs('request_failed'), user, notFound],

    ['get', '/admin/users{/}', ...admin, listAllUsers(gatehouse)],
    ['post', '/admin/users{/}', ...admin, createAnyUser(gatehouse)],
    ['otherwise', '/admin/users{/}', ...admin],
    ['get', '/admin/users/:user_id{/}', ...admin, userOfPath, readAnyUser(gatehouse)],
    ['put', '/admin/users/:user_id{/}', ...admin, userOfPath, changeAnyUser(gatehouse)],
    ['delete', '/admin/users/:user_id{/}', ...admin, userOfPath, deleteAnyUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id{/}', ...admin, userOfPath],
    ['get', '/admin/users/:user_id/sessions', ...admin, userOfPath, listSessionsOfUser(gatehouse)],
    ['delete', '/admin/users/:user_id/sessions', ...admin, userOfPath, endSessionsOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/sessions', ...admin, userOfPath],
    ['delete', '/admin/users/:user_id/sessions/:session_id', ...admin, userOfPath, endSessionOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/sessions/:session_id', ...admin, userOfPath],
    ['get', '/admin/users/:user_id/factors', ...admin, userOfPath, listFactorsOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/factors', ...admin, userOfPath],
    ['put', '/admin/users/:user_id/factors/:factor_id', ...admin, ...factorOfPath, changeFactorOfUser(gatehouse)],
    ['delete', '/admin/users/:user_id/factors/:factor_id', ...admin, ...factorOfPath, deleteFactorOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/factors/:factor_id', ...admin, ...factorOfPath],
    ['get', '/admin/users/:user_id/passkeys', ...admin, userOfPath, listPasskeysOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/passkeys', ...admin, userOfPath],
    ['delete', '/admin/users/:user_id/passkeys/:passkey_id', ...admin, userOfPath, deletePasskeyOfUser(gatehouse)],
    ['otherwise', '/admin/users/:user_id/passkeys/:passkey_id', ...admin, userOfPath],
    ['get', '/admin/audit', ...admin, listAuditEntries(gatehouse)],
    ['otherwise', '/admin/audit', ...admin],
    ['post', '/invite{/}', ...admin, invite(gatehouse)],
    ['post', '/admin/generate_link{/}', ...admin, generateAnyLink(gatehouse)],
    ['otherwise', '/admin/generate_link{/}', ...admin],
    ['delete', '/admin/sessions', ...admin, endEverySession(gatehouse)],
    ['otherwise', '/admin/sessions', ...admin],
    ['get', '/admin/sso/providers', ...admin, listSsoProviders],
    ['post', '/admin/sso/providers', ...admin, createSsoProvider],
    ['otherwise', '/admin/sso/providers', ...admin],
    ['otherwise', '/admin/sso/providers/:idp_id', ...admin, gate('sso_provider_not_found')],
    ['get', '/admin/custom-providers', ...admin, listCustomProviders],
    ['post', '/admin/custom-providers', ...admin, createCustomProvider],
    ['otherwise', '/admin/custom-providers', ...admin],
    ['otherwise', '/admin/custom-providers/:identifier', ...admin, unknownCustomProvider],
    ['otherwise', '/admin/oauth{/*rest}', ...admin, noOauthServer],
    ['otherwise', '/admin{/*rest}', ...admin, notFound],

    // Not in this version: known, so that a client is told no in the words that it understands.
    ['get', '/authorize', notBuilt, authorizeByProvider],
    ['get', '/callback', notBuilt, callback(gatehouse)],
    ['post', '/callback', notBuilt, callback(gatehouse)],
    ['otherwise', '/sso{/*rest}', notBuilt, gate('saml_provider_disabled')],
    ['otherwise', '/passkeys{/*rest}', notBuilt, gate('passkey_disabled')],
    ['otherwise', '/oauth{/*rest}', notBuilt, noOauthServer],
    ['otherwise', '/scim{/*rest}', notBuilt, gate('feature_disabled')],
    ['post', '/factors', notBuilt, user, refuseAnonymous, refuseEnrollment],
    ['otherwise', '/factors', notBuilt, user, refuseAnonymous],
    ['otherwise', '/factors/:factor_id{/*rest}', notBuilt, user, refuseAnonymous, refuseFactor],

    ['get', '/audit/events', refusedAs('audit_read_failed'), user, auditor, listEvents(gatehouse)],
    ['post', '/introspect', refusedAs('introspection_failed'), introspect(gatehouse)],
    ['post', '/revoke', refusedAs('revocation_failed'), revoke(gatehouse)],
    ['get', '/metrics', refusedAs('request_failed'), metrics(gatehouse)],
  ];
}

export function createApp(gatehouse: Gatehouse, { version }: { version: string }): App {
  const { settings, log, clock, backgroundDb } = gatehouse;
  const store = createRateLimitStore({ db: backgroundDb, clock, log });
  const limits = createRateLimits({ settings, clock, log }, store);
  const ready = readiness(backgroundDb);

  const app = createExpress(settings);
  app.use(
    identifyCaller(settings, clock),
    requestLog(log),
    requestTimeout(settings.api_max_request_duration),
    securityHeaders(),
  );
  // No page of another origin may read these.
  mount(app, mailboxRoutes(settings));
  app.use(cors(settings));
  mount(app, [
    ['get', '/livez', livez],
    ['get', '/readyz', ready.handler],
  ]);
  const routes = routeTable(gatehouse, limits, version);
  const prefixed = Router({ caseSensitive: true, strict: true });
  mount(prefixed, routes);
  app.use('/auth/v1', prefixed);
  mount(app, routes);
  app.use(notFound, recordRefusals(gatehouse), sendError(log));
  return { app, routes, drain: ready.drain, close: store.close };
}
