import { ProtocolError } from '../src/errors.js';

/** The code with which an action is refused; anything but a refusal of this package fails the test. */
export function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'not refused';
}
