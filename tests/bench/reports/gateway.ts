import { formatNumber, type MeasureResult } from '../figures.js';
import { runGateway } from '../measures/gateway.js';
import { withFolder } from '../support/temp-folder.js';
import type { BenchContext } from './bench-context.js';

const AIM_RESIDENT_MB = 100;
const HOUR_S = 3_600;

export async function reportGateway({ options, say }: BenchContext): Promise<MeasureResult> {
  const { gatewaySeconds } = options;
  say(`gateway: watched for ${formatNumber(gatewaySeconds / 60)} minutes`);
  const run = await withFolder('gateway', (path) => runGateway(path, gatewaySeconds));
  const { residentMb } = run;
  return {
    measure: 'gateway',
    about: `commonwatt-gateway with 4 meters (${run.profiles.join(', ')}) polled each second, ${formatNumber(run.modbusRequestsPerS)} Modbus requests a second`,
    figures: [
      {
        measure: 'gateway',
        name: `resident memory after ${formatNumber(run.seconds / 60)} minutes`,
        value: residentMb.last,
        unit: 'MB',
        aim: { kind: 'at most', value: AIM_RESIDENT_MB },
        note: `peak ${formatNumber(residentMb.peak)} MB, at first ${formatNumber(residentMb.first)} MB`,
      },
      { measure: 'gateway', name: 'CPU', value: run.cpuPercent, unit: '% of a core' },
    ],
    remarks:
      gatewaySeconds >= HOUR_S ? [] : ['the aim is for an hour: npm run bench -- --only gateway --gateway-minutes 60'],
    raw: run,
  };
}
