/** Kind 10 (LOG 5.10): a member pays another. Private. */
import { KIND } from '@commonwatt/firmware-protocol/log';
import { asId, asMicro, asUint, badEntry, fromMicro } from './fields.js';
import { encodePayload, parsePayload } from './signed.js';

export interface Transfer {
  readonly number: number;
  readonly payer: string;
  readonly payee: string;
  /** More than 0. */
  readonly amountMicro: bigint;
}

/** The payload that the paying member signs. Throws `bad-entry` or `money-range`. */
export function encodeTransferFields(transfer: Transfer): Uint8Array {
  const payload = encodePayload(KIND.transfer, [
    [1, transfer.number],
    [2, transfer.payer],
    [3, transfer.payee],
    [4, fromMicro(transfer.amountMicro, 'transfer')],
  ]);
  parseTransfer(payload);
  return payload;
}

/** Untrusted. */
export function parseTransfer(payload: Uint8Array): Transfer {
  const fields = parsePayload(KIND.transfer, payload, { required: [1, 2, 3, 4] });
  const payer = asId(fields.get(2), 'transfer: payer');
  const payee = asId(fields.get(3), 'transfer: payee');
  if (payer === payee) throw badEntry('transfer: payee', 'another than the payer', payee);
  const amountMicro = asMicro(fields.get(4), 'transfer: micro-credits');
  if (amountMicro <= 0n) throw badEntry('transfer: micro-credits', 'more than 0', amountMicro);
  return { number: asUint(fields.get(1), 'transfer: number', { min: 1 }), payer, payee, amountMicro };
}
