export type { Checkpoint } from './checkpoint.js';
export { formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.js';
export type { CompactRange, OnNode } from './compact-range.js';
export { appendLeaf, EMPTY_RANGE, rangeFromNodes, rangeRoot, subtreeRoot } from './compact-range.js';
export type { EntryBody, Kind, LogEntry } from './entry.js';
export {
  commitment,
  decodeEntry,
  ENTRY_VERSION,
  encodeEntry,
  frameContent,
  frameLeaf,
  frameOpening,
  KIND,
  MAX_ENTRY_BYTES,
  privateEntry,
  SALT_BYTES,
} from './entry.js';
export type { GetNode } from './merkle.js';
export {
  checkHash,
  checkTreeSize,
  emptyRoot,
  leafHash,
  MAX_TREE_SIZE,
  nodeHash,
  treeRoot,
} from './merkle.js';
export type { Note, NoteKey, NoteSignature, VerifiedNote } from './note.js';
export {
  checkKeyName,
  formatNote,
  MAX_NOTE_BYTES,
  MAX_NOTE_SIGNATURES,
  NOTE_KEY_ED25519,
  noteKeyId,
  parseNote,
  parseVerifierKey,
  signNote,
  verifierKeyText,
  verifyNote,
} from './note.js';
export type { ConsistencyClaim, InclusionClaim } from './proof.js';
export {
  consistencyProof,
  inclusionProof,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from './proof.js';
