/** What this version does not have answers as a GoTrue in which it is switched off (contract §2.2, "Gates"). */
import type { RequestHandler } from 'express';
import { AuthError, type ErrorCode } from '../errors.ts';

export function gate(error_code: ErrorCode, message?: string): RequestHandler {
  return () => {
    throw new AuthError(error_code, message === undefined ? {} : { message });
  };
}
