import { ProtocolError } from '../errors.js';

/** One model of a chain: `address` is that of its ID register, `length` does not count ID and length themselves. */
export interface SunSpecModel {
  readonly id: number;
  readonly address: number;
  readonly length: number;
}

/** Where a device keeps its models. Static while the device runs; walk again after each reconnect. */
export interface SunSpecLayout {
  readonly base: number;
  readonly models: readonly SunSpecModel[];
}

/**
 * Reads holding registers (function 3). Rejects with an error that carries a numeric `modbusCode` when the device
 * answers with an exception, and with any other error when it does not answer.
 */
export type HoldingReader = (address: number, count: number) => Promise<readonly number[]>;

/** SunSpec Device Information Model specification: the three places of the marker, in the order of the Alliance's client. */
const MARKER_ADDRESSES = [40000, 50000, 0] as const;
/** "SunS" */
const MARKER = [0x5375, 0x6e53] as const;
const END_ID = 0xffff;
const COMMON_ID = 1;
/** Far more than any device has; a chain that goes on longer is made up. */
const MAX_MODELS = 64;
const REGISTER_SPACE = 65_536;
const MAX_READ = 125;

/**
 * Finds the marker and lists the models behind it. Unknown ids are kept, to be skipped by their length. Throws
 * `bad-sunspec` if there is no marker, if the first model is not the common model, if a model leaves the address
 * space or if there are more than 64. What the reader throws for want of an answer passes through.
 */
export async function walkSunSpec(read: HoldingReader): Promise<SunSpecLayout> {
  for (const base of MARKER_ADDRESSES) {
    const words = await readOrAbsent(read, base, 2);
    if (words?.[0] === MARKER[0] && words[1] === MARKER[1]) return { base, models: await walkChain(read, base + 2) };
  }
  throw new ProtocolError('bad-sunspec', 'no SunS marker at 40000, 50000 or 0');
}

async function walkChain(read: HoldingReader, first: number): Promise<SunSpecModel[]> {
  const models: SunSpecModel[] = [];
  let address = first;
  while (models.length < MAX_MODELS) {
    const header = await readHeader(read, address);
    if (header === undefined) return requireCommon(models);
    const next = address + 2 + header.length;
    if (next > REGISTER_SPACE) {
      throw new ProtocolError('bad-sunspec', `model ${header.id} at ${address} ends at ${next}, beyond 65536`);
    }
    models.push({ id: header.id, address, length: header.length });
    address = next;
  }
  throw new ProtocolError('bad-sunspec', `a chain has at most ${MAX_MODELS} models`);
}

/** Some devices have no register after the end's ID, and some none at the end at all: both end the chain. */
async function readHeader(read: HoldingReader, address: number): Promise<{ id: number; length: number } | undefined> {
  const words = address + 2 <= REGISTER_SPACE ? await readOrAbsent(read, address, 2) : undefined;
  const [id, length] = words ?? [];
  return id === undefined || length === undefined || id === END_ID ? undefined : { id, length };
}

function requireCommon(models: SunSpecModel[]): SunSpecModel[] {
  if (models[0]?.id === COMMON_ID) return models;
  throw new ProtocolError('bad-sunspec', `the first model is ${COMMON_ID}, got ${models[0]?.id ?? 'none'}`);
}

async function readOrAbsent(
  read: HoldingReader,
  address: number,
  count: number,
): Promise<readonly number[] | undefined> {
  try {
    const words = await read(address, count);
    return words.length === count ? words : undefined;
  } catch (error) {
    if (isModbusException(error)) return undefined;
    throw error;
  }
}

function isModbusException(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'modbusCode' in error && typeof error.modbusCode === 'number';
}

/** The first model in the chain whose id is one of those. */
export function findModel(layout: SunSpecLayout, ids: readonly number[]): SunSpecModel | undefined {
  return layout.models.find((model) => ids.includes(model.id));
}

/** How many registers of a model one read takes: header and body, as far as a single request reaches. */
export function modelReadCount(model: SunSpecModel): number {
  return Math.min(2 + model.length, MAX_READ);
}
