/** Query parameters that a route does not know are refused: a typing error must not widen an answer. */
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import type { FastifyRequest } from 'fastify';
import { LedgerError } from '../../core/errors.js';
import { fieldNames } from './schemas.js';

const MAX_NAME_SHOWN = 40;

/** Throws 'bad-request', naming the nearest parameter that the route has. Routes without a schema take what comes. */
export function refuseUnknownParameters(request: FastifyRequest): void {
  const { schema } = request.routeOptions;
  if (schema === undefined) return;
  const known = fieldNames(schema.querystring);
  for (const [name, value] of Object.entries(request.query as Record<string, unknown>)) {
    if (!known.includes(name)) throw unknownName('query parameter', name, known);
    if (Array.isArray(value)) throw new LedgerError('bad-request', `query parameter "${name}": expected once`);
  }
}

const WHOLE_NUMBER = /^-?\d{1,16}$/;

/** Coercion would take "1e3" and "0x3" for numbers as well. Throws 'bad-request'. */
export function refuseOddNumbers(request: FastifyRequest): void {
  const { schema } = request.routeOptions;
  for (const [part, values] of [
    [schema?.querystring, request.query],
    [schema?.params, request.params],
  ] as const) {
    const { properties = {} } = (part ?? {}) as { properties?: Record<string, { type?: string }> };
    for (const [name, value] of Object.entries(values as Record<string, unknown>)) {
      if (properties[name]?.type !== 'integer' || typeof value !== 'string' || WHOLE_NUMBER.test(value)) continue;
      const got = JSON.stringify(value.slice(0, MAX_NAME_SHOWN));
      throw new LedgerError('bad-request', `${name}: expected a whole number, got ${got}`);
    }
  }
}

/** What to say of a name that is not one of the known ones. */
export function unknownName(what: string, name: string, known: readonly string[]): LedgerError {
  const nearest = nearestName(name, known);
  const shown = JSON.stringify(name.slice(0, MAX_NAME_SHOWN));
  const hint = nearest === undefined ? expectedOnly(known) : `did you mean "${nearest}"?`;
  return new LedgerError('bad-request', `${what} ${shown} is not known: ${hint}`);
}

function expectedOnly(known: readonly string[]): string {
  return known.length === 0 ? 'there are none here' : `expected ${known.join(', ')}`;
}
