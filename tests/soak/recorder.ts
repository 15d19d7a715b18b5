/** Writes down every message that was ever on the wire, each content once. */
import { createHash } from 'node:crypto';

export interface RecordedMessage {
  readonly topic: string;
  readonly bytes: Uint8Array;
  times: number;
}

export class Recorder {
  readonly frames = new Map<string, RecordedMessage>();
  readonly answers = new Map<string, RecordedMessage>();
  readonly checkpoints = new Map<string, RecordedMessage>();
  /** Frames that boxes put on the wire, repeats and all. */
  framesSent = 0;

  /** `isSent`: on its way from a box to the broker. */
  take(topic: string, payload: Uint8Array, isSent: boolean): void {
    const leaf = topic.slice(topic.lastIndexOf('/') + 1);
    if (leaf === 'frame') {
      if (isSent) this.framesSent += 1;
      note(this.frames, topic, payload);
    } else if (leaf === 'answer') note(this.answers, topic, payload);
    else if (leaf === 'checkpoint') note(this.checkpoints, topic, payload);
  }
}

function note(into: Map<string, RecordedMessage>, topic: string, payload: Uint8Array): void {
  const key = `${topic} ${createHash('sha256').update(payload).digest('base64')}`;
  const known = into.get(key);
  if (known !== undefined) known.times += 1;
  else into.set(key, { topic, bytes: Uint8Array.from(payload), times: 1 });
}
