/** Failures as RFC 9457 problems: the one place where a code becomes a status. */
import { ProtocolError } from '@commonwatt/firmware-protocol';
import { LedgerError, type LedgerErrorCode } from '../../core/errors.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Every code of the package: docs/ERRORS.md has a paragraph for each. */
const STATUS: { readonly [Code in LedgerErrorCode]: number } = {
  'bad-entry': 422,
  'bad-number': 409,
  'bad-signer': 403,
  conflict: 409,
  invariant: 500,
  'money-range': 422,
  'not-found': 404,
  'bad-request': 400,
  unauthorised: 401,
  store: 503,
  config: 500,
  broker: 503,
  child: 503,
  'bad-file': 422,
};

const TITLE: { readonly [Code in LedgerErrorCode]: string } = {
  'bad-entry': 'An entry is not what the log takes',
  'bad-number': 'A signed entry repeats or skips a number',
  'bad-signer': 'A signed entry is not signed by who may',
  conflict: 'Something else came first',
  invariant: 'The ledger found itself wrong and wrote nothing',
  'money-range': 'An amount is out of range',
  'not-found': 'There is no such thing',
  'bad-request': 'The request is not one of this API',
  unauthorised: 'The operator token is needed',
  store: 'The store cannot be used now',
  config: 'The ledger is not set up for this',
  broker: 'The broker cannot be reached',
  child: 'A process of the ledger ended by itself',
  'bad-file': 'A file cannot be read',
};

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: LedgerErrorCode;
}

/** `status` where HTTP has a more exact word than the code's own (405, 413, 415). */
export function problemOf(code: LedgerErrorCode, detail: string, status = STATUS[code]): Problem {
  return { type: `/docs/ERRORS.md#ledger-service-${code}`, title: TITLE[code], status, detail, code };
}

/** Whatever a handler or the framework threw. The second is whether the operator should hear of it. */
export function problemFromError(error: unknown): { readonly problem: Problem; readonly isFault: boolean } {
  const problem = error instanceof LedgerError ? problemFromLedger(error) : problemFromOther(error);
  return { problem, isFault: problem.status >= 500 };
}

/** What stands in a message of ours may be shown, except where it can speak of the machine: paths, causes. */
function problemFromLedger({ code, message }: LedgerError): Problem {
  return problemOf(code, STATUS[code] >= 500 ? 'see the log of the service' : message);
}

function problemFromOther(error: unknown): Problem {
  if (error instanceof ProtocolError) return problemOf('invariant', 'see the log of the service');
  const status = statusOf(error);
  if (status === undefined) return problemOf('invariant', 'see the log of the service');
  return problemOf('bad-request', error instanceof Error ? error.message : 'not understood', status);
}

/** Refusals of the framework carry the status they want; only those of the caller's making are passed on. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
