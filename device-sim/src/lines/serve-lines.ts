import type { Readable, Writable } from 'node:stream';
import { messageOf, SimError } from '../errors.js';
import { type Line, MAX_ANSWER_BYTES, MAX_LINE_BYTES, readLines, writeLine } from './line-channel.js';
import { idOf, parseRequest } from './requests.js';
import type { Session } from './session.js';

/**
 * The line protocol: one JSON request a line in, exactly one JSON answer a line out, in the same order. Ends with the
 * input or with `stop`.
 */
export async function serveLines(session: Session, input: Readable, output: Writable): Promise<void> {
  for await (const line of readLines(input)) {
    const { answer, isLast } = await answerLine(session, line);
    await writeLine(output, answer);
    if (isLast) return;
  }
}

/** Untrusted: whatever comes, the answer is a line, and the next line is read. Throws only on a fault of our own. */
async function answerLine(session: Session, line: Line): Promise<{ answer: object; isLast: boolean }> {
  let id: number | null = null;
  try {
    const value = toJson(line);
    id = idOf(value);
    const { request } = parseRequest(value);
    const answer = checkSize({ id, done: request.kind, ...(await session.handle(request)) });
    return { answer, isLast: request.kind === 'stop' };
  } catch (error) {
    // Anything else is a broken invariant: nothing that is answered after it could be trusted.
    if (!(error instanceof SimError)) throw error;
    return { answer: { id, failed: error.code, message: error.message }, isLast: false };
  }
}

function toJson(line: Line): unknown {
  if (line.kind === 'too-long') throw new SimError('bad-request', `expected lines of at most ${MAX_LINE_BYTES} bytes`);
  try {
    return JSON.parse(line.text);
  } catch (error) {
    throw new SimError('bad-request', `expected a JSON object, got ${messageOf(error)}`, { cause: error });
  }
}

/** An instant takes 14 characters; a file of more instants than fit is refused before it is half sent. */
function checkSize(answer: object): object {
  const instants = 'instants_ms' in answer && Array.isArray(answer.instants_ms) ? answer.instants_ms.length : 0;
  if (instants * 15 < MAX_ANSWER_BYTES - MAX_LINE_BYTES) return answer;
  throw new SimError('bad-file', `expected at most ${Math.floor(MAX_ANSWER_BYTES / 15)} instants, got ${instants}`);
}
