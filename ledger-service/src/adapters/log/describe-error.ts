/** An error as the log shows it: enough to find the place, and nothing that it may have picked up from somebody's data. */
import { LedgerError } from '../../core/errors.js';

export interface ErrorDescription {
  readonly type: string;
  readonly code?: string;
  readonly message?: string;
  /** Where it was thrown, outermost last. */
  readonly at?: readonly string[];
  readonly cause?: ErrorDescription;
}

const MAX_CAUSES = 5;
const MAX_FRAMES = 8;
const MAX_MESSAGE = 500;
/** Of the language itself: they name variables and functions. JSON's SyntaxError shows a piece of the text. */
const SPEAKS_OF_CODE: readonly unknown[] = [TypeError, RangeError, ReferenceError];

export function describeError(error: unknown, depth = 0): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    ...(mayBeShown(error) ? { message: error.message.slice(0, MAX_MESSAGE) } : {}),
    ...(error instanceof LedgerError && error.code !== 'invariant' ? {} : { at: framesOf(error) }),
    ...(error.cause === undefined || depth >= MAX_CAUSES ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}

/** Our own sentences, those of the system (a call and a path) and those about code. */
function mayBeShown(error: Error): boolean {
  return error instanceof LedgerError || 'syscall' in error || SPEAKS_OF_CODE.includes(error.constructor);
}

function framesOf({ stack = '' }: Error): string[] {
  const lines = stack.split('\n').filter((line) => /^ {4}at /.test(line));
  return lines.slice(0, MAX_FRAMES).map((line) => line.trim().slice('at '.length));
}
