/** What a device, a box and a ledger say to each other (PROTOCOL.md). No I/O, no clock, no Node. */
export {
  type Answer,
  type AnswerMessage,
  encodeAnswer,
  type Grant,
  MAX_ANSWER_BYTES,
  parseAnswer,
  parseAnswerMessage,
  parseSignedAnswer,
  type Receipt,
  sealAnswer,
} from './answer.js';
export { fromBase64, toBase64 } from './base64.js';
export { bytesEqual, compareBytes, compareUtf8, concatBytes } from './bytes.js';
export { type CborKey, type CborLimits, type CborValue, cborMap, decodeCbor, encodeCbor } from './cbor.js';
export { CborWriter } from './cbor-writer.js';
export { type CoseLimits, type CoseSign1, parseCoseSign1, sigStructure, verifyCoseSign1 } from './cose.js';
export {
  type BareVerify,
  checkPublicKey,
  HASH_BYTES,
  type Hasher,
  KID_BYTES,
  keyId,
  makeVerifier,
  nobleSha256,
  nobleSigner,
  nobleVerifier,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  type Signer,
  type Verifier,
} from './crypto.js';
export { ProtocolError, type ProtocolErrorCode, VERDICT, type Verdict, verdictName } from './errors.js';
export {
  ChannelStatus,
  ClockSource,
  channelValues,
  EventCode,
  FRAME_LIMITS,
  type FrameChannel,
  type FrameEvent,
  type FramePayload,
  instantCount,
  Quantity,
  sampleTimesS,
} from './frame.js';
export { encodeFramePayload } from './frame-encoder.js';
export { parseFramePayload } from './frame-parser.js';
export { fromHex, toHex } from './hex.js';
export { type ProvedLeaf, type ReceiptCheck, verifyGrant, verifyReceipt } from './receipt.js';
export {
  CounterCause,
  type CounterEvent,
  type CounterEventChannel,
  type DeviceRequest,
  EpochReason,
  type EpochRequest,
  encodeCounterEvent,
  encodeEpochRequest,
  encodeGapRequest,
  type GapRequest,
  parseCounterEvent,
  parseEpochRequest,
  parseGapRequest,
  parseRequestPayload,
  peekRequestKind,
  REQUEST_SEALS,
  type RequestKind,
} from './requests.js';
export {
  externalData,
  MAX_MESSAGE_BYTES,
  parseSealed,
  type Sealed,
  type SealedKind,
  sealMessage,
} from './sealed.js';
export {
  advance,
  applyGap,
  type ClosedGap,
  decideEpochRequest,
  decideGap,
  decideSequence,
  type EpochDecision,
  GAP_DEADLINE_S,
  type GapClaim,
  type GapDecision,
  MAX_PARKED,
  markForked,
  nextParked,
  openEpoch,
  overdueGap,
  type ParkedFrame,
  park,
  type SequenceDecision,
  type SequencedFrame,
  type SequenceState,
} from './sequence.js';
export {
  formatLive,
  formatStatus,
  type GatewayStatus,
  type LivePower,
  MAX_STATUS_BYTES,
  type MeterState,
  type MeterStatus,
  parseLive,
  parseStatus,
  usePowerW,
} from './status.js';
export {
  checkId,
  checkpointTopic,
  type GatewayTopics,
  gatewayTopic,
  ID_PATTERN,
  isValidId,
  parseTopic,
  subscription,
  type TopicLeaf,
  topics,
} from './topics.js';
export {
  type Brand,
  formatCredits,
  formatKwh,
  MAX_EXPONENT,
  MIN_EXPONENT,
  type MicroCredits,
  type MilliwattHours,
  microCredits,
  mulDiv,
  mwh,
  parseCredits,
  parseKwh,
  type UtcMs,
  type UtcSeconds,
  utcMs,
  utcSeconds,
  wireToMwh,
} from './units.js';
export { utf8Decode, utf8Encode } from './utf8.js';
