/** POST /token?grant_type=pkce (contract §7.6). */
import type { Request, Response } from 'express';
import { AuthError } from '../errors.ts';
import type { Gatehouse } from '../gatehouse.ts';
import { bodyOf, parseBody, secretText, text } from '../http/body.ts';
import { occasionOf } from '../http/caller.ts';
import { sendSession } from '../sessions/send-session.http.ts';
import { pkceGrant } from './pkce.ts';

const pkceBody = bodyOf({ auth_code: text, code_verifier: secretText });

export async function byCode(gatehouse: Gatehouse, req: Request, res: Response): Promise<void> {
  const { auth_code, code_verifier } = await parseBody(pkceBody, req);
  if (!auth_code || !code_verifier) {
    throw new AuthError('validation_failed', {
      message: 'invalid request: both auth code and code verifier should be non-empty',
    });
  }
  const occasion = occasionOf(req);
  const session = await pkceGrant(gatehouse, { auth_code, code_verifier }, occasion);
  await sendSession(res, gatehouse, { session }, occasion.now);
}
