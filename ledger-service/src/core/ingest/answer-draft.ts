/** An answer before the commit: the proof and the signature are added when the batch is durable. */
import type { Answer } from '@commonwatt/firmware-protocol';

export interface AnswerDraft {
  /** Whose answer topic it goes to. */
  readonly gateway: string;
  /** The answer without checkpoint and path. */
  readonly answer: Answer;
  /** Both, once the root is signed; for answers that prove something. */
  readonly proof?: Pick<Answer, 'checkpoint' | 'path'>;
  /** What was decided, for counting. `known`: bytes that were accepted before. */
  readonly outcome: 'accepted' | 'known' | 'refused' | 'parked';
  /** The answer to a request: it carries the leaf data of the entry that the request became. */
  readonly isGrant?: boolean;
}
