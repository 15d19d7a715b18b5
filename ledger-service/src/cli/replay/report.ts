/** The answer of a replay: one JSON object, or a page for people; and what does not add up, if anything. */
import { formatCredits, formatKwh } from '@commonwatt/firmware-protocol';
import { formatTable } from '../output.js';
import type { Outcome } from './outcome.js';

/** What was counted on the way, by whoever could count it. */
export interface Counts {
  readonly file: { readonly readings: number };
  readonly modbus: { readonly bySimulator: number; readonly byGateways: number };
  readonly mqtt: { readonly byBroker: number; readonly byGateways: number };
  readonly gateways: { readonly pending: number; readonly refused: number };
  readonly frames: { readonly accepted: number; readonly duplicate: number; readonly refused: number };
}

export interface Report {
  readonly community: string;
  readonly total: number;
  readonly outcome: Outcome;
  readonly counts: Counts;
  readonly seconds: number;
}

/** Sentences, none when all is well. The exit status is 0 only then. */
export function problemsOf({ outcome, counts }: Report): string[] {
  const { readings, sumMicro, sumMwh } = outcome;
  const { file, modbus, mqtt, gateways, frames } = counts;
  const checks: readonly (readonly [boolean, string])[] = [
    [
      readings.stored === file.readings,
      `readings: the file has ${file.readings}, ${readings.stored} arrived in the ledger`,
    ],
    [
      modbus.bySimulator === modbus.byGateways,
      `Modbus requests: the simulator counted ${modbus.bySimulator}, the gateways ${modbus.byGateways}`,
    ],
    [
      mqtt.byBroker === mqtt.byGateways,
      `frames published: the broker counted ${mqtt.byBroker}, the gateways ${mqtt.byGateways}`,
    ],
    [gateways.pending === 0, `${gateways.pending} frames are still without an answer`],
    [frames.refused === 0 && gateways.refused === 0, `frames refused: ${Math.max(frames.refused, gateways.refused)}`],
    [
      sumMicro === 0n && sumMwh === 0,
      `sums: expected zero, got ${formatCredits(sumMicro)} credits, ${formatKwh(sumMwh)} kWh`,
    ],
  ];
  return checks.filter(([holds]) => !holds).map(([, sentence]) => sentence);
}

export function toJson(report: Report, problems: readonly string[]): object {
  const { community, total, outcome, counts, seconds } = report;
  return {
    intervals: { settled: outcome.settled, total },
    homes: outcome.homes.map((home) => ({
      id: home.id,
      import_kwh: formatKwh(home.importMwh),
      export_kwh: formatKwh(home.exportMwh),
      received_kwh: formatKwh(home.receivedMwh),
      delivered_kwh: formatKwh(home.deliveredMwh),
      credits: formatCredits(home.amountMicro),
    })),
    shared_kwh: formatKwh(outcome.sharedMwh),
    sums: { credits: formatCredits(outcome.sumMicro), energy_kwh: formatKwh(outcome.sumMwh) },
    modbus: { requests: counts.modbus.bySimulator },
    mqtt: { publishes: counts.mqtt.byBroker },
    frames: counts.frames,
    readings: {
      file: counts.file.readings,
      booked: outcome.readings.booked,
      left_out: outcome.readings.stored - outcome.readings.booked,
    },
    log: outcome.log,
    balances_root: outcome.balancesRoot,
    community,
    problems,
    seconds: Math.round(seconds * 1_000) / 1_000,
  };
}

export function toText(report: Report): string {
  const { total, outcome, counts, seconds } = report;
  const columns = [
    { head: 'home' },
    ...['import kWh', 'export kWh', 'received kWh', 'delivered kWh', 'credits'].map((head) => ({ head, right: true })),
  ];
  const rows = outcome.homes.map((home) => [
    home.id,
    formatKwh(home.importMwh),
    formatKwh(home.exportMwh),
    formatKwh(home.receivedMwh),
    formatKwh(home.deliveredMwh),
    formatCredits(home.amountMicro),
  ]);
  const { frames, modbus, mqtt, file } = counts;
  return [
    formatTable(columns, rows),
    '',
    `shared     ${formatKwh(outcome.sharedMwh)} kWh in ${outcome.settled} of ${total} intervals`,
    `readings   ${file.readings}: ${outcome.readings.booked} booked, ${outcome.readings.stored - outcome.readings.booked} left out`,
    `frames     ${frames.accepted} accepted, ${frames.duplicate} duplicate, ${frames.refused} refused`,
    `on the way ${modbus.bySimulator} Modbus requests, ${mqtt.byBroker} frames over MQTT`,
    `log        ${outcome.log.size} entries, root ${outcome.log.root}`,
    `balances   root ${outcome.balancesRoot}`,
    `time       ${seconds.toFixed(1)} s`,
  ].join('\n');
}
