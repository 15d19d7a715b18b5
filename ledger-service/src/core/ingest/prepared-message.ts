/** A message from the broker, taken apart once however often it has to be decided on. */
import {
  bytesEqual,
  type FramePayload,
  type Hasher,
  ProtocolError,
  parseFramePayload,
  parseSealed,
  type Sealed,
  toHex,
  type Verifier,
} from '@commonwatt/firmware-protocol';

/** Untrusted: bytes as a broker hands them over. */
export interface IncomingMessage {
  readonly message: Uint8Array;
  /** The gateway that the topic names: where an answer goes when the kid is unknown. */
  readonly gateway: string;
}

export class PreparedMessage {
  readonly message: Uint8Array;
  readonly gateway: string;
  /** UTC second in which the bytes came. */
  readonly receivedS: number;
  readonly hash: Uint8Array;
  /** Undefined when the envelope does not hold. */
  readonly sealed: Sealed | undefined;
  /** The sealed kid in hex; empty when the envelope does not hold. */
  readonly kid: string;
  #verdict: { readonly as: SignedAs; readonly holds: boolean } | undefined;
  #frame: FramePayload | undefined | 'unread' = 'unread';

  constructor(hasher: Hasher, incoming: IncomingMessage, receivedS: number) {
    this.message = incoming.message;
    this.gateway = incoming.gateway;
    this.receivedS = receivedS;
    this.hash = hasher.sha256(incoming.message);
    this.sealed = refusing(['malformed'], () => parseSealed(incoming.message));
    this.kid = this.sealed === undefined ? '' : toHex(this.sealed.kid);
  }

  /** The payload as a frame's, undefined when it is not one. Parsing is strict, bounded and cheap, so it may come before the signature. */
  get frame(): FramePayload | undefined {
    if (this.#frame === 'unread') {
      const { sealed } = this;
      this.#frame = sealed && refusing(['bad-payload'], () => parseFramePayload(sealed.payload));
    }
    return this.#frame;
  }

  /** The verdict on the signature costs more than all else here: it is reached once per key and kind. */
  signatureHolds(as: SignedAs, verifier: Verifier): boolean {
    if (this.sealed === undefined) return false;
    if (this.#verdict !== undefined && isSame(this.#verdict.as, as)) return this.#verdict.holds;
    const holds = verifier.verify(as.publicKey, this.toBeSigned(as), this.sealed.signature);
    this.remember(as, holds);
    return holds;
  }

  /** A verdict that the same verifier reached elsewhere. */
  remember({ publicKey, external }: SignedAs, holds: boolean): void {
    this.#verdict = { as: { publicKey, external }, holds };
  }

  toBeSigned({ external }: SignedAs): Uint8Array {
    return this.sealed!.toBeSigned(external);
  }
}

/** Whose signature it has to be, and the external data of its community and kind (PROTOCOL 1.5). */
export interface SignedAs {
  readonly publicKey: Uint8Array;
  readonly external: Uint8Array;
}

function isSame(a: SignedAs, b: SignedAs): boolean {
  return bytesEqual(a.publicKey, b.publicKey) && bytesEqual(a.external, b.external);
}

/** A refusal by one of these codes is an outcome, not a failure; anything else goes on up. */
export function refusing<T>(codes: readonly ProtocolError['code'][], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError && codes.includes(error.code)) return undefined;
    throw error;
  }
}
