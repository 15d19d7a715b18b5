import {
  type Answer,
  advance,
  applyGap,
  cborMap,
  decideEpochRequest,
  decideGap,
  decideSequence,
  encodeAnswer,
  encodeCbor,
  externalData,
  keyId,
  markForked,
  nextParked,
  openEpoch,
  park,
  parseFramePayload,
  parseRequestPayload,
  parseSealed,
  peekRequestKind,
  REQUEST_SEALS,
  type SequenceState,
  type Signer,
  sealAnswer,
  toHex,
  VERDICT,
} from '@commonwatt/firmware-protocol';
import {
  appendLeaf,
  commitment,
  EMPTY_RANGE,
  encodeEntry,
  frameLeaf,
  inclusionProof,
  KIND,
  leafHash,
  nodeHash,
  privateEntry,
  rangeRoot,
  signCheckpoint,
} from '@commonwatt/firmware-protocol/log';
import {
  generateKeyPem,
  nodeHasher,
  nodeSigner,
  nodeVerifier,
  parseKeyPem,
} from '../../src/adapters/system/node-crypto.js';

export const hasher = nodeHasher;

export function newSigner(): Signer {
  return nodeSigner(parseKeyPem(generateKeyPem())!);
}

export interface AcceptedFrame {
  readonly message: Uint8Array;
  readonly payload: ReturnType<typeof parseFramePayload>;
}

/**
 * A ledger as far as a box can tell: one Merkle log, one checkpoint a message, the decisions of the protocol. Answers
 * what the protocol says, byte for byte; bookkeeping it has none.
 */
export class FakeLedger {
  readonly origin: string;
  readonly logSigner: Signer;
  readonly answerSigner: Signer;
  readonly accepted: AcceptedFrame[] = [];
  readonly requests: ReturnType<typeof parseRequestPayload>[] = [];
  /** Every frame that came, repeats included. */
  readonly heard: Uint8Array[] = [];
  receivedS = 1_700_000_000;
  operatorSigns = false;
  #nodes = new Map<string, Uint8Array>();
  #range = EMPTY_RANGE;
  readonly #answered = new Map<string, Answer>();
  readonly #parked = new Map<string, Uint8Array>();
  readonly #devices = new Map<string, { publicKey: Uint8Array; sequence: SequenceState; isActive: boolean }>();

  constructor(origin = 'test.example/street', keys: { logSigner?: Signer; answerSigner?: Signer } = {}) {
    this.origin = origin;
    this.logSigner = keys.logSigner ?? newSigner();
    this.answerSigner = keys.answerSigner ?? newSigner();
  }

  /** Enrols a key; returns the hash that its first frame must name. */
  enrol(publicKey: Uint8Array): Uint8Array {
    const data = encodeEntry(KIND.device, 1, cborMap([[2, keyId(hasher, publicKey)]]));
    this.#append(data);
    const openingLeafHash = leafHash(hasher, data);
    this.#devices.set(toHex(keyId(hasher, publicKey)), {
      publicKey,
      sequence: openEpoch(undefined, { epoch: 1, openingLeafHash }),
      isActive: true,
    });
    return openingLeafHash;
  }

  sequenceOf(publicKey: Uint8Array): SequenceState {
    return this.#devices.get(toHex(keyId(hasher, publicKey)))!.sequence;
  }

  /** What the ledger publishes on the answer topic for a message on `frame` or `event`. */
  receive(topic: 'frame' | 'event', message: Uint8Array): Uint8Array[] {
    if (topic === 'frame') this.heard.push(message);
    const before = this.#answered.get(toHex(hasher.sha256(message)));
    if (before !== undefined) {
      const { next, epoch: openEpoch } = this.#devices.get(toHex(before.kid!))!.sequence;
      return [encodeAnswer({ ...before, next, openEpoch })];
    }
    return topic === 'frame' ? this.#receiveFrame(message) : [this.#receiveRequest(message)];
  }

  /** Any leaf of somebody else: the log grows. */
  grow(): void {
    this.#append(encodeEntry(KIND.party, 1, hasher.sha256(Uint8Array.of(this.#range.size & 255))));
  }

  /** A receipt for any frame, whatever came before it. */
  prove(message: Uint8Array): Uint8Array {
    const { kid, payload } = parseSealed(message);
    const { epoch, number } = parseFramePayload(payload);
    const salt = hasher.sha256(message).slice(0, 16);
    const leaf = frameLeaf(hasher, { salt, receivedS: this.receivedS, message });
    return this.#remember(message, { kid, epoch, number, salt, receivedS: this.receivedS, ...this.#prove(leaf) });
  }

  refuse(message: Uint8Array, code: number, hint: Partial<Answer> = {}): Uint8Array {
    const answer = { messageHash: hasher.sha256(message), code, receivedS: this.receivedS, ...hint };
    const kid = keyId(hasher, this.answerSigner.publicKey);
    return sealAnswer({ answer, origin: this.origin, kid, signer: this.answerSigner });
  }

  #receiveFrame(message: Uint8Array): Uint8Array[] {
    const sealed = parseSealed(message);
    const device = this.#devices.get(toHex(sealed.kid));
    if (device === undefined) return [this.refuse(message, VERDICT['unknown-key'])];
    const signed = sealed.toBeSigned(externalData(this.origin, 'meter-frame/v1'));
    if (!nodeVerifier.verify(device.publicKey, signed, sealed.signature)) {
      return [this.refuse(message, VERDICT['bad-signature'])];
    }
    const payload = parseFramePayload(sealed.payload);
    const hash = hasher.sha256(message);
    const decision = decideSequence(device.sequence, { ...payload, hash });
    const state = { openEpoch: device.sequence.epoch, next: device.sequence.next };
    if (decision.kind === 'gap' || decision.kind === 'parked-duplicate') {
      if (decision.kind === 'gap' && decision.park) {
        device.sequence = park(device.sequence, { ...payload, hash, receivedS: this.receivedS });
        this.#parked.set(toHex(hash), message);
      }
      return [this.refuse(message, VERDICT.gap, { ...state, next: decision.firstMissing })];
    }
    if (decision.kind === 'fork') device.sequence = markForked(device.sequence);
    if (decision.kind !== 'accept') return [this.refuse(message, VERDICT[decision.kind], state)];
    const answers = [this.#accept(sealed.kid, message)];
    for (let next = nextParked(device.sequence); next !== undefined; next = nextParked(device.sequence)) {
      answers.push(this.#accept(sealed.kid, this.#parked.get(toHex(next.hash))!));
    }
    return answers;
  }

  #accept(kid: Uint8Array, message: Uint8Array): Uint8Array {
    const device = this.#devices.get(toHex(kid))!;
    const payload = parseFramePayload(parseSealed(message).payload);
    const hash = hasher.sha256(message);
    device.sequence = advance(device.sequence, { number: payload.number, hash });
    this.accepted.push({ message, payload });
    const salt = hash.slice(0, 16);
    const leaf = frameLeaf(hasher, { salt, receivedS: this.receivedS, message });
    return this.#remember(message, {
      kid,
      epoch: payload.epoch,
      number: payload.number,
      salt,
      receivedS: this.receivedS,
      next: device.sequence.next,
      ...this.#prove(leaf),
    });
  }

  #receiveRequest(message: Uint8Array): Uint8Array {
    const sealed = parseSealed(message);
    const { kid } = sealed;
    const device = this.#devices.get(toHex(kid));
    const kind = peekRequestKind(sealed.payload);
    if (device === undefined || kind === undefined) return this.refuse(message, VERDICT['unknown-key']);
    const signed = sealed.toBeSigned(externalData(this.origin, REQUEST_SEALS[kind]));
    if (!nodeVerifier.verify(device.publicKey, signed, sealed.signature)) {
      return this.refuse(message, VERDICT['bad-signature']);
    }
    const request = parseRequestPayload(sealed.payload);
    const hint = { openEpoch: device.sequence.epoch, next: device.sequence.next };
    if (request.kind === 4) {
      const decision = decideEpochRequest(device.sequence, { ...request, operatorSigned: this.operatorSigns });
      if (decision.kind !== 'accept') return this.refuse(message, VERDICT[decision.kind], hint);
      const leafData = encodeEntry(KIND.gatewayEpoch, 1, cborMap([[1, message]]));
      const proof = this.#prove(leafData);
      const openingLeafHash = leafHash(hasher, leafData);
      device.sequence = openEpoch(device.sequence, { epoch: decision.epoch, openingLeafHash });
      this.requests.push(request);
      return this.#remember(message, {
        kid,
        epoch: decision.epoch,
        leafData,
        next: 1,
        openEpoch: decision.epoch,
        ...proof,
      });
    }
    if (request.kind === 7) {
      const decision = decideGap(device.sequence, request);
      if (decision.kind !== 'accept') return this.refuse(message, VERDICT[decision.kind], hint);
      device.sequence = applyGap(device.sequence, request);
      this.requests.push(request);
      const leafData = encodeEntry(KIND.gap, 1, cborMap([[1, message]]));
      return this.#remember(message, { kid, epoch: request.epoch, leafData, ...this.#prove(leafData) });
    }
    this.requests.push(request);
    const salt = hasher.sha256(message).slice(0, 16);
    const leafData = privateEntry(KIND.counterEvent, commitment(hasher, salt, encodeCbor(cborMap([[1, message]]))));
    return this.#remember(message, { kid, salt, leafData, ...this.#prove(leafData) });
  }

  #remember(message: Uint8Array, fields: Partial<Answer>): Uint8Array {
    const answer: Answer = { messageHash: hasher.sha256(message), code: VERDICT.accepted, ...fields };
    this.#answered.set(toHex(answer.messageHash), answer);
    return encodeAnswer(answer);
  }

  #prove(leafData: Uint8Array): Pick<Answer, 'index' | 'checkpoint' | 'path'> {
    const index = this.#append(leafData);
    const { size } = this.#range;
    const root = rangeRoot(hasher, this.#range);
    const checkpoint = signCheckpoint({ origin: this.origin, size, root, signer: this.logSigner, hasher });
    const path = inclusionProof(hasher, index, size, (level, at) => this.#node(level, at));
    return { index, checkpoint, path };
  }

  #append(leafData: Uint8Array): number {
    const index = this.#range.size;
    this.#range = appendLeaf(hasher, this.#range, leafHash(hasher, leafData), (level, at, hash) => {
      this.#nodes.set(`${level}/${at}`, hash);
    });
    return index;
  }

  #node(level: number, at: number): Uint8Array {
    const known = this.#nodes.get(`${level}/${at}`);
    if (known !== undefined) return known;
    return nodeHash(hasher, this.#node(level - 1, 2 * at), this.#node(level - 1, 2 * at + 1));
  }
}
