import { parseTopic, type TopicLeaf } from '@commonwatt/firmware-protocol';

/** Topics that gateways may publish on. Answers and checkpoints are the ledger's own (PROTOCOL 4.1). */
const FROM_GATEWAYS: readonly TopicLeaf[] = ['frame', 'event', 'status', 'live'];

/** `status` and `live` are small JSON; nothing larger is passed on. */
export const MAX_JSON_BYTES = 4_096;
export const MAX_FILTER_LENGTH = 512;
export const MAX_SUBSCRIPTIONS_PER_CLIENT = 64;
/** Retained `status` messages the broker keeps, so that invented gateways cannot fill the memory. */
export const MAX_RETAINED_TOPICS = 10_000;

export type PublishDecision =
  | { readonly kind: 'ingest'; readonly leaf: 'frame' | 'event' }
  | { readonly kind: 'relay'; readonly mayRetain: boolean }
  | { readonly kind: 'refuse'; readonly reason: string };

/** What a client may publish. Untrusted: topic, size and quality of service as the client sent them. */
export function decidePublish(
  message: { topic: string; bytes: number; qos: number },
  topic = parseTopic(message.topic),
): PublishDecision {
  if (topic === undefined) return { kind: 'refuse', reason: 'no topic of this protocol' };
  if (!FROM_GATEWAYS.includes(topic.leaf)) {
    return { kind: 'refuse', reason: `only the ledger publishes on .../${topic.leaf}` };
  }
  if (message.qos > 1) return { kind: 'refuse', reason: 'QoS 0 or 1 only' };
  if (topic.leaf === 'frame' || topic.leaf === 'event') return { kind: 'ingest', leaf: topic.leaf };
  if (message.bytes > MAX_JSON_BYTES) {
    return {
      kind: 'refuse',
      reason: `.../${topic.leaf}: expected at most ${MAX_JSON_BYTES} bytes, got ${message.bytes}`,
    };
  }
  return { kind: 'relay', mayRetain: topic.leaf === 'status' };
}

/**
 * What a client may subscribe to. On the machine itself: everything. From elsewhere: what says nothing about a home's
 * consumption, which is its own answers, the checkpoint and who is connected; load curves stay with the ledger.
 */
export function maySubscribe(client: { local: boolean; subscriptions: number }, filter: string): boolean {
  if (client.subscriptions >= MAX_SUBSCRIPTIONS_PER_CLIENT || filter.length > MAX_FILTER_LENGTH) return false;
  if (client.local) return true;
  const leaf = parseTopic(filter)?.leaf;
  return leaf === 'answer' || leaf === 'status' || /^cw\/1\/[^/+#]+\/checkpoint$/.test(filter);
}

export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1');
}
