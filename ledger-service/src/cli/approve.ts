import { fromBase64 } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from '../core/errors.js';
import { signEpochApproval } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Door, type Json, openDoor, textOf } from './door.js';
import { type OperatorOptions, signingFor, submitSigned } from './operator-entries.js';
import { formatTable, type Output } from './output.js';

export interface ApproveOptions extends OperatorOptions {
  /** A home's id or a key id. Absent: what waits is listed, and nothing is signed. */
  readonly gateway?: string;
}

/** Shows what gateways that have forked ask for, and signs the new epoch of the one that is named. */
export async function runApprove(options: ApproveOptions, { output }: CommandContext): Promise<number> {
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const { items } = await door.list(`/v1/communities/${community}/epoch-requests`);
    if (options.gateway === undefined) list(output, community, items);
    else await approve({ options, door, output, community, asked: find(items, options.gateway) });
  } finally {
    await door.close();
  }
  return EXIT.done;
}

function list(output: Output, community: string, items: readonly Json[]): void {
  const rows = items.map((item) => [
    ...[item.home, item.kid, item.epoch, item.next_number].map(String),
    typeof item.last_received === 'string' ? item.last_received : 'never',
    String(item.reason),
  ]);
  const columns = ['home', 'gateway', 'epoch', 'next number', 'last frame', 'it asks because'].map((head) => ({
    head,
  }));
  const text =
    rows.length === 0
      ? 'Nothing waits: no gateway has forked and asked for a new epoch.'
      : `${formatTable(columns, rows)}\n\nFind and stop the second box first, then: commonwatt approve HOME`;
  output.result({ community, requests: items }, text);
}

function find(items: readonly Json[], gateway: string): Json {
  const found = items.find(({ home, kid }) => home === gateway || kid === gateway);
  if (found !== undefined) return found;
  const homes = items.map(({ home }) => String(home));
  const nearest = nearestName(gateway, homes);
  const others = homes.length === 0 ? 'nothing waits' : `these wait: ${homes.slice(0, 20).join(', ')}`;
  const hint = nearest === undefined ? others : `did you mean ${nearest}?`;
  throw new LedgerError('not-found', `gateway ${gateway.slice(0, 80)} waits for no approval; ${hint}`);
}

async function approve(input: {
  readonly options: ApproveOptions;
  readonly door: Door;
  readonly output: Output;
  readonly community: string;
  readonly asked: Json;
}): Promise<void> {
  const { options, door, output, community, asked } = input;
  const signing = signingFor(options, community, await door.get(`/v1/communities/${community}`));
  // Signed is what was read here, whatever hash the answer names beside it.
  const signed = signEpochApproval(fromBase64(textOf(asked, 'request')), signing);
  const indices = await submitSigned(door, community, [signed]);
  const { home, kid } = asked;
  const epoch = Number(asked.epoch) + 1;
  output.result(
    { community, home, kid, epoch, reason: asked.reason, indices },
    [
      `Home ${home}, gateway ${kid}: epoch ${asked.epoch} had forked at number ${asked.next_number}.`,
      `It asked because: ${asked.reason}. Its newest frame came ${asked.last_received ?? 'never'}.`,
      '',
      `Signed: epoch ${epoch} is open, entry ${indices[0]} of the log. The box learns it when it asks`,
      'again, within two minutes, and seals under new numbers what was refused.',
    ].join('\n'),
  );
}
