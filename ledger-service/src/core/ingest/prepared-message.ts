/** A message from the broker, taken apart once however often it has to be decided on. */
import {
  externalData,
  type FramePayload,
  type Hasher,
  ProtocolError,
  parseFramePayload,
  parseSealed,
  type Sealed,
  type SealedKind,
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
  readonly #verdicts = new Map<string, boolean>();
  #frame: FramePayload | undefined | 'unread' = 'unread';

  constructor(hasher: Hasher, incoming: IncomingMessage, receivedS: number) {
    this.message = incoming.message;
    this.gateway = incoming.gateway;
    this.receivedS = receivedS;
    this.hash = hasher.sha256(incoming.message);
    this.sealed = refusing(['malformed'], () => parseSealed(incoming.message));
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
  signatureHolds(input: SignedAs & { readonly verifier: Verifier }): boolean {
    if (this.sealed === undefined) return false;
    const key = verdictKey(input);
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) {
      verdict = input.verifier.verify(input.publicKey, this.toBeSigned(input), this.sealed.signature);
      this.#verdicts.set(key, verdict);
    }
    return verdict;
  }

  /** A verdict that the same verifier reached elsewhere. */
  remember(input: SignedAs, verdict: boolean): void {
    this.#verdicts.set(verdictKey(input), verdict);
  }

  toBeSigned({ origin, kind }: SignedAs): Uint8Array {
    return this.sealed!.toBeSigned(externalData(origin, kind));
  }
}

/** Whose signature it has to be, for which community and as what kind of message. */
export interface SignedAs {
  readonly publicKey: Uint8Array;
  readonly origin: string;
  readonly kind: SealedKind;
}

function verdictKey({ publicKey, origin, kind }: SignedAs): string {
  return `${toHex(publicKey)} ${origin} ${kind}`;
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
