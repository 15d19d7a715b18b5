import { fromHex } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from '../core/errors.js';
import { signRevocation } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Json, openDoor, textOf } from './door.js';
import { type OperatorOptions, signingFor, submitSigned } from './operator-entries.js';

export interface RevokeOptions extends OperatorOptions {
  /** A home's id or a key id. */
  readonly gateway: string;
}

/** Ends a gateway's key for good: no frame of it counts any more; what was booked stays. */
export async function runRevoke(options: RevokeOptions, { output }: CommandContext): Promise<number> {
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const { items } = await door.list(`/v1/communities/${community}/gateways`);
    const found = find(items, options.gateway);
    const [home, kid] = [textOf(found, 'home'), textOf(found, 'kid')];
    const signing = signingFor(options, community, await door.get(`/v1/communities/${community}`));
    const indices = await submitSigned(door, community, [signRevocation(fromHex(kid), signing)]);
    output.result(
      { community, home, kid, indices },
      [
        `The key ${kid} of home ${home} is revoked, by entry ${indices[0]} of the log: no frame of it counts from now on.`,
        '',
        'What next: make a new key on the box, in a fresh data folder, and enrol it for the same home:',
        '  commonwatt-gateway key --data DIR > box.key',
        `  commonwatt enrol --data ${options.data} --home ${home} --key box.key --meter PROFILE`,
      ].join('\n'),
    );
  } finally {
    await door.close();
  }
  return EXIT.done;
}

function find(items: readonly Json[], gateway: string): Json {
  const active = items.filter(({ revoked_index: revoked }) => revoked === undefined);
  const found = active.find(({ home, kid }) => home === gateway || kid === gateway);
  if (found !== undefined) return found;
  const homes = active.map(({ home }) => String(home));
  const nearest = nearestName(gateway, homes);
  const hint = nearest === undefined ? 'expected the id of a home or of a key' : `did you mean ${nearest}?`;
  throw new LedgerError('not-found', `no gateway ${gateway.slice(0, 80)} is enrolled: ${hint}`);
}
