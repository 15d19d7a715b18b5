/**
 * The log's entries, kind by kind (LOG 5): shapes, encoders and strict parsers. What members and operator sign is made by
 * `encodeXFields` and read by `parseX`; what the ledger writes itself by `encodeX`; what lies beside the log by
 * `encodeXContent` and `parseXContent`.
 */
export {
  type Correction,
  encodeCorrectionFields,
  parseCorrection,
} from './correction.js';
export { type CounterEventRecord, encodeCounterEventFields, parseCounterEventPayload } from './counter-event.js';
export {
  type ChannelRecord,
  type Device,
  type DeviceRevoked,
  encodeDeviceFields,
  encodeDeviceRevokedFields,
  type MeterRecord,
  parseDevice,
  parseDeviceRevoked,
  QUANTITIES,
} from './device.js';
export { type Erasure, encodeErasureFields, parseErasure } from './erasure.js';
export { type Evidence, encodeEvidenceContent, parseEvidenceContent } from './evidence.js';
export { compareIds, type LongText, longText, MAX_CONTENT_BYTES, MAX_LONG_TEXT_BYTES } from './fields.js';
export { encodeFrameContent, type FrameContent, parseFrameContent } from './frame.js';
export { encodeGap, encodeGapBody, type GapBody, parseGap, parseGapRequestPayload } from './gap.js';
export {
  type EpochApproval,
  encodeEpochApprovalFields,
  parseEpochApproval,
  parseEpochRequestPayload,
} from './gateway-epoch.js';
export {
  type CommunitySettings,
  communityOfOrigin,
  encodeGenesisFields,
  type Genesis,
  INTERVALS_S,
  OUTAGE_POLICY,
  type OutagePolicy,
  parseGenesis,
} from './genesis.js';
export { type AmountColumn, type LineColumns, lineColumns, linesOf } from './line-columns.js';
export { encodePartyFields, type MemberClass, type Party, parseParty } from './party.js';
export {
  type Closed,
  closeContent,
  deriveSalt,
  hmacSha256,
  makePrivateEntry,
  opens,
  PRIVACY_KEY_BYTES,
  type SaltInput,
} from './private.js';
export { type AccountBalance, balancesRoot, tieHash } from './roots.js';
export {
  encodeRulesFields,
  MAX_LEVY_BASIS_POINTS,
  MAX_PRICE_MICRO_PER_KWH,
  parseRules,
  type RuleSettings,
  type Rules,
} from './rules.js';
export {
  encodeSeal,
  encodeSealBody,
  encodeSealLeafContent,
  parseSeal,
  parseSealLeafContent,
  type Seal,
  type SealedLine,
  type SealLeaf,
  type SealLeafInput,
  SealLeafWriter,
  sealTree,
} from './seal.js';
export {
  encodeSettlement,
  encodeSettlementBody,
  encodeTotalsContent,
  lineItem,
  parseLine,
  parseSettlement,
  parseTotalsContent,
  type Quality,
  SETTLEMENT_REASON,
  type SettlementLine,
  type SettlementReason,
  type SettlementShell,
  type SettlementTotals,
  type VersionTotals,
} from './settlement.js';
export {
  encodePayload,
  isPrivateKind,
  type Leaf,
  openSignedEntry,
  parseLeaf,
  parsePayload,
  parseSealedEntry,
  parseSignedBody,
  parseSignedContent,
  sealEntry,
  signedBody,
  signedContent,
  signedEntry,
} from './signed.js';
export { encodeTransferFields, parseTransfer, type Transfer } from './transfer.js';
export { compareUnits, mergeNames, type UnitName, UnitNames } from './unit-names.js';
export {
  encodeVectorContent,
  parseVectorColumns,
  parseVectorContent,
  type ReadVector,
  type SettlementVector,
  type VectorColumns,
  vectorUnderVersion,
} from './vector.js';
export { encodeWitnessPolicyFields, parseWitnessPolicy, type WitnessPolicy } from './witness-policy.js';
