import type { Quantity } from '../frame.js';
import type { RegisterType, WordOrder } from './decode.js';

/** A meter or an inverter as data: what to read, in which unit it is, and which raw values are none. */
export interface Profile {
  readonly name: string;
  readonly title: string;
  /** Where the table comes from, by document and table. */
  readonly datasheet: string;
  /** `table`: points stand at fixed wire addresses. `sunspec`: points stand at offsets in models that are searched. */
  readonly kind: 'table' | 'sunspec';
  /** 3 reads holding registers, 4 reads input registers. */
  readonly function: 3 | 4;
  readonly wordOrder: WordOrder;
  /** Most registers of one read that the device is known to answer, 1..125. */
  readonly maxBlock: number;
  /** Unneeded registers that one read may run across: 0 where the device is not known to answer for holes. */
  readonly bridge: number;
  /** Pause between two requests in milliseconds. */
  readonly minGapMs: number;
  /** The Modbus unit id as delivered. */
  readonly unit: number;
  readonly channels: readonly ProfileChannel[];
  readonly powers: readonly PowerPoint[];
  readonly serial?: SerialPoint;
}

/** Where a value stands. All of it, the scale factor too, must come from one read. */
export interface RegisterPoint {
  /** The SunSpec model ids that hold it, all of one layout. Absent in a table. */
  readonly models?: readonly number[];
  /** 0-based wire address (table), or the offset from the model's ID register (sunspec). */
  readonly address: number;
  readonly type: RegisterType;
  /** Address or offset of the scale factor, counted as `address`. */
  readonly scaleAddress?: number;
}

/** A lifetime counter. */
export interface ProfileChannel {
  readonly quantity: Quantity;
  readonly point: RegisterPoint;
  /** The register counts 10^unitExponent Wh before any scale factor: 3 for kWh, 0 for Wh, -3 for mWh. */
  readonly unitExponent: number;
  /** The channel's own unit on the wire of a frame: 10^exponent Wh, -3..6. Finer digits are cut by floor. */
  readonly exponent: number;
  /** The counter runs over at 2^widthBits of its raw unit; 64 stands for never. */
  readonly widthBits: number;
  /** Whether a raw 0 is a reading. For most meters it means "not counted", or a glitch. */
  readonly zeroIsValue: boolean;
}

/** A momentary power in watts. `grid` is positive for import, `generation` positive for what the roof gives. */
export interface PowerPoint {
  readonly kind: 'grid' | 'generation';
  readonly point: RegisterPoint;
}

/** Where the device's serial number stands. `count` is the words of a text; without it, an unsigned integer. */
export interface SerialPoint {
  readonly function: 3 | 4;
  readonly models?: readonly number[];
  readonly address: number;
  readonly count: number;
  readonly form: 'text' | 'uint32';
  /** Whether it is read in every cycle, because it lies beside the counters. */
  readonly everyCycle: boolean;
}
