/** What the pump needs of the ledger: `Ledger` of the use cases fits, and so does a test's own. */
export interface PumpLedger {
  communities(): Promise<readonly string[]>;
  /** Rejects with LedgerError 'not-found'. */
  community(id: string): Promise<PumpCommunity>;
}

export interface PumpCommunity {
  /** Whether the gateway of a topic is that of a home. True as long as nobody can tell: strangers only wait longer. */
  isEnrolled(gateway: string): boolean;
  /** Decides and keeps all of them in one durable commit. */
  ingestFrames(frames: readonly GatewayMessage[], answersToStrangers: number): Promise<PumpResult>;
  handleEvent(event: GatewayMessage): Promise<readonly PumpAnswer[]>;
  /** Settles what is due at the ledger's clock; its answers are receipts for frames that a closed gap let in. */
  settleDue(): Promise<{ readonly answers: readonly PumpAnswer[]; readonly heldS: readonly number[] }>;
  /** The newest signed note. */
  checkpoint(): Promise<Uint8Array>;
}

/** Untrusted: `gateway` is what the topic said. */
export interface GatewayMessage {
  readonly message: Uint8Array;
  readonly gateway: string;
}

export interface PumpAnswer {
  readonly gateway: string;
  readonly bytes: Uint8Array;
}

export interface PumpResult {
  readonly answers: readonly PumpAnswer[];
  readonly accepted: number;
  readonly duplicate: number;
  readonly refused: number;
  readonly parked: number;
  /** Answers to senders whom nobody enrolled. */
  readonly toStrangers: number;
}
