import { CborWriter } from './cbor-writer.js';
import { FRAME_LIMITS, type FrameChannel, type FrameEvent, type FramePayload } from './frame.js';
import { parseFramePayload } from './frame-parser.js';

/**
 * The bytes of a payload. Throws `bad-payload` (or `out-of-range`) for a payload that `parseFramePayload` would refuse, so
 * a box never signs what the ledger cannot read.
 */
export function encodeFramePayload(frame: FramePayload): Uint8Array {
  const events = frame.events ?? [];
  const writer = new CborWriter(512);
  writer.map(9 + (events.length > 0 ? 1 : 0) + (frame.seen === undefined ? 0 : 1));
  writer.uint(1).uint(FRAME_LIMITS.version);
  writer.uint(2).uint(frame.epoch).uint(3).uint(frame.number).uint(4).bytes(frame.previous);
  writer.uint(5).uint(frame.startS).uint(6);
  writeStep(writer, frame.step);
  writer.uint(7).array(3).uint(frame.clock.source).uint(frame.clock.errorMs).uint(frame.clock.ageS);
  writer.uint(8).array(2).uint(frame.mono.boot).uint(frame.mono.uptimeMs);
  writer.uint(9).array(frame.channels.length);
  for (const channel of frame.channels) writeChannel(writer, channel);
  if (events.length > 0) writeEvents(writer, events);
  if (frame.seen !== undefined) writer.uint(11).array(2).uint(frame.seen.size).bytes(frame.seen.rootStart);
  const payload = writer.finish();
  parseFramePayload(payload);
  return payload;
}

function writeStep(writer: CborWriter, step: number | readonly number[]): void {
  if (typeof step === 'number') {
    writer.uint(step);
    return;
  }
  writer.array(step.length);
  for (const offset of step) writer.uint(offset);
}

function writeChannel(writer: CborWriter, channel: FrameChannel): void {
  writer.array(5).uint(channel.meterIndex).uint(channel.quantity).uint(channel.status).int(channel.first);
  writer.array(channel.deltas.length);
  for (const delta of channel.deltas) writer.uint(delta);
}

function writeEvents(writer: CborWriter, events: readonly FrameEvent[]): void {
  writer.uint(10).array(events.length);
  for (const event of events) writer.array(3).uint(event.offsetS).uint(event.code).uint(event.argument);
}
