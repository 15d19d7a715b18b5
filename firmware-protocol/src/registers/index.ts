/** From the words of a register to a counter in its channel's unit, and back. Pure: no clock, no chance, no I/O. */
export {
  type Absent,
  decodeFloat,
  decodeInt,
  decodeRegister,
  decodeScaleFactor,
  decodeUint,
  floorScaled,
  REGISTER_SHAPES,
  type RegisterShape,
  type RegisterType,
  type WordOrder,
} from './decode.js';
export { encodeFloat, encodeInt, encodeUint, toStringWords, toWords } from './encode.js';
export { nearestName } from './nearest.js';
export { planReads, planSerialRead, type ReadBlock } from './plan.js';
export type { PowerPoint, Profile, ProfileChannel, RegisterPoint, SerialPoint } from './profile.js';
export { findProfile, profiles } from './profiles/index.js';
export { type BlockWords, type CounterReading, decodeReadings, decodeSerial, type Readings } from './readings.js';
export { findModel, type HoldingReader, type SunSpecLayout, type SunSpecModel, walkSunSpec } from './sunspec.js';
