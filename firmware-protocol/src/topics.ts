import { ProtocolError } from './errors.js';

/** Ids of communities, homes, members, gateways and meters (PROTOCOL 1.3). */
export const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const PREFIX = 'cw/1';
const LEAVES = ['frame', 'answer', 'event', 'status', 'live'] as const;

/** What stands at the end of a gateway's topic (PROTOCOL 4.1). */
export type TopicLeaf = (typeof LEAVES)[number];

export type GatewayTopics = { readonly [Leaf in TopicLeaf]: string };

export function isValidId(text: string): boolean {
  return ID_PATTERN.test(text);
}

/** Throws `bad-id` unless the text is an id; `what` names whose. */
export function checkId(text: string, what: string): void {
  if (!isValidId(text)) {
    throw new ProtocolError(
      'bad-id',
      `${what} id: expected 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first, got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
}

/** The topics of one gateway. Throws `bad-id`. */
export function topics(community: string, gateway: string): GatewayTopics {
  checkId(community, 'community');
  checkId(gateway, 'gateway');
  const base = `${PREFIX}/${community}/${gateway}`;
  return {
    frame: `${base}/frame`,
    answer: `${base}/answer`,
    event: `${base}/event`,
    status: `${base}/status`,
    live: `${base}/live`,
  };
}

/** One topic of one gateway. Throws `bad-id`. */
export function gatewayTopic(community: string, gateway: string, leaf: TopicLeaf): string {
  checkId(community, 'community');
  checkId(gateway, 'gateway');
  return `${PREFIX}/${community}/${gateway}/${leaf}`;
}

/** Where the signed note of a community's log is retained. Throws `bad-id`. */
export function checkpointTopic(community: string): string {
  checkId(community, 'community');
  return `${PREFIX}/${community}/checkpoint`;
}

/** The filter for one leaf of all gateways, of one community or of all. Throws `bad-id`. */
export function subscription(leaf: TopicLeaf, community?: string): string {
  if (community !== undefined) checkId(community, 'community');
  return `${PREFIX}/${community ?? '+'}/+/${leaf}`;
}

/** Untrusted: a topic as a broker names it. Undefined for all that is not a gateway's topic of this version. */
export function parseTopic(topic: string): { community: string; gateway: string; leaf: TopicLeaf } | undefined {
  const parts = topic.split('/', 6);
  const [system, version, community = '', gateway = '', leaf = ''] = parts;
  if (parts.length !== 5 || `${system}/${version}` !== PREFIX || !isValidId(community) || !isValidId(gateway))
    return undefined;
  const known = LEAVES.find((name) => name === leaf);
  return known === undefined ? undefined : { community, gateway, leaf: known };
}
