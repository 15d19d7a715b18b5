/** The key under which a caller may send a write again and again (Idempotency-Key, draft-ietf-httpapi). */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { LedgerError } from '../../core/errors.js';

/** A string of RFC 8941, as the draft has it, without what would need escaping; or the same without its quotes. */
const QUOTED = /^"([\x21\x23-\x5b\x5d-\x7e]{1,128})"$/;
const BARE = /^[A-Za-z0-9._~:+/=-]{1,128}$/;

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      description:
        'Drawn by the caller for this request, at most 128 characters. The same entries under it again get the first ' +
        'answer and are not written again; other entries are refused with 409. Kept for a week.',
      examples: ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    }),
  ),
});

/** Untrusted. Undefined when none was sent; throws 'bad-request' for what is no key. */
export function idempotencyKeyOf({ headers }: FastifyRequest): string | undefined {
  const sent = headers['idempotency-key'];
  if (sent === undefined) return undefined;
  const text = String(sent);
  const key = QUOTED.exec(text)?.[1] ?? (BARE.test(text) ? text : undefined);
  if (key !== undefined) return key;
  throw new LedgerError('bad-request', 'Idempotency-Key: expected one text of 1 to 128 visible characters in quotes');
}
