import { ProtocolError } from '../errors.js';
import { REGISTER_SHAPES } from './decode.js';
import type { Profile, RegisterPoint } from './profile.js';
import { findModel, modelReadCount, type SunSpecLayout, type SunSpecModel } from './sunspec.js';

/** One request: 3 reads holding registers, 4 input registers; `address` is the 0-based wire address. */
export interface ReadBlock {
  readonly function: 3 | 4;
  readonly address: number;
  readonly count: number;
  /** The SunSpec model that the block must begin with. */
  readonly model?: SunSpecModel;
}

interface Place {
  readonly address: number;
  readonly count: number;
  readonly models?: readonly number[];
}

/**
 * The fewest reads that bring every counter and power of a profile, in the order of their addresses. A SunSpec
 * profile needs the device's layout and reads each model as a whole, so that value and scale factor are of one
 * instant. Throws `bad-sunspec` if such a device has none of the profile's models.
 */
export function planReads(profile: Profile, layout?: SunSpecLayout): ReadBlock[] {
  return profile.kind === 'sunspec' ? planModels(profile, requireLayout(profile, layout)) : planTable(profile);
}

/** The read for the serial number where it does not come with every cycle; undefined where there is none. */
export function planSerialRead(profile: Profile, layout?: SunSpecLayout): ReadBlock | undefined {
  if (profile.serial === undefined || profile.serial.everyCycle) return undefined;
  return placeOf({ ...profile, function: profile.serial.function }, profile.serial, layout);
}

/** Where a point stands on this device; undefined if its model is missing, or too short to hold it. */
export function placeOf(profile: Profile, place: Place, layout?: SunSpecLayout): ReadBlock | undefined {
  if (place.models === undefined) return { function: profile.function, address: place.address, count: place.count };
  const model = layout === undefined ? undefined : findModel(layout, place.models);
  if (model === undefined || place.address + place.count > 2 + model.length) return undefined;
  return { function: profile.function, address: model.address + place.address, count: place.count };
}

function planModels(profile: Profile, layout: SunSpecLayout): ReadBlock[] {
  const models = new Map<number, SunSpecModel>();
  for (const { point } of [...profile.channels, ...profile.powers]) {
    const model = findModel(layout, point.models ?? []);
    if (model !== undefined) models.set(model.address, model);
  }
  if (models.size === 0) {
    const found = layout.models.map((model) => model.id).join(', ');
    throw new ProtocolError('bad-sunspec', `${profile.name} has none of its models on this device, only ${found}`);
  }
  return [...models.values()]
    .toSorted((a, b) => a.address - b.address)
    .map((model) => ({
      function: profile.function,
      address: model.address,
      count: Math.min(modelReadCount(model), profile.maxBlock),
      model,
    }));
}

function requireLayout(profile: Profile, layout: SunSpecLayout | undefined): SunSpecLayout {
  if (layout !== undefined) return layout;
  throw new ProtocolError('bad-sunspec', `${profile.name} is read where its chain of models says: walk it first`);
}

function planTable(profile: Profile): ReadBlock[] {
  const places = [...profile.channels, ...profile.powers].flatMap(({ point }) => placesOf(point));
  if (profile.serial?.everyCycle) places.push(profile.serial);
  const blocks: { address: number; count: number }[] = [];
  for (const place of places.toSorted((a, b) => a.address - b.address)) {
    const block = blocks.at(-1);
    const count = block === undefined ? 0 : Math.max(block.count, place.address + place.count - block.address);
    const gap = block === undefined ? 0 : place.address - (block.address + block.count);
    if (block !== undefined && gap <= profile.bridge && count <= profile.maxBlock) block.count = count;
    else blocks.push({ address: place.address, count: place.count });
  }
  return blocks.map((block) => ({ function: profile.function, ...block }));
}

/** A value and its scale factor are one place: what lies between them is read too. */
function placesOf(point: RegisterPoint): Place[] {
  const end = point.address + REGISTER_SHAPES[point.type].words;
  if (point.scaleAddress === undefined) return [{ address: point.address, count: end - point.address }];
  const from = Math.min(point.address, point.scaleAddress);
  return [{ address: from, count: Math.max(end, point.scaleAddress + 1) - from }];
}
