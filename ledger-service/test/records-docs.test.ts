import { readdirSync, readFileSync } from 'node:fs';
import { type CborKey, type CborValue, decodeCbor } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import { describe, expect, it } from 'vitest';
import { fromHex, readVectors } from './records-helpers.js';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/LOG.md', root), 'utf8');
const sections = new Set([...page.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? /gm)].map((match) => match[1]!));
const grammar = [...page.matchAll(/```cddl\n(.*?)```/gs)].map((match) => match[1]!).join('\n');

/** The keys of a map in the page's grammar, in the order in which they stand. */
function keysOf(rule: string): { required: number[]; optional: number[] } {
  const text = grammar.replace(/;.*$/gm, '');
  const from = text.indexOf('{', text.search(new RegExp(`^${rule} += \\{`, 'm')));
  const keys = { required: [] as number[], optional: [] as number[] };
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if ('{['.includes(text[at]!)) depth += 1;
    if ('}]'.includes(text[at]!)) depth -= 1;
    if (depth === 0) break;
    const key = depth === 1 ? /^[{,]\s*(\? )?(\d+):/.exec(text.slice(at)) : null;
    if (key) keys[key[1] === undefined ? 'required' : 'optional'].push(Number(key[2]));
  }
  return keys;
}

/** Which bytes of which golden file hold the map that a rule describes. */
const rules: [rule: string, golden: string, bytes: string][] = [
  ['genesis', '00-genesis', 'payload'],
  ['genesis', '00-genesis-bare', 'payload'],
  ['party', '01-party', 'payload'],
  ['party', '01-party-commons', 'payload'],
  ['device', '02-device', 'payload'],
  ['device-revoked', '03-device-revoked', 'payload'],
  ['gateway-epoch-body', '04-gateway-epoch-approved', 'leafData'],
  ['epoch-request', '04-gateway-epoch', 'payload'],
  ['epoch-approval', '04-gateway-epoch-approved', 'operatorPayload'],
  ['counter-event', '05-counter-event', 'payload'],
  ['counter-event-by-operator', '05-counter-event-operator', 'payload'],
  ['gap', '07-gap', 'leafData'],
  ['gap', '07-gap-device', 'payload'],
  ['signed', '07-gap-device', 'leafData'],
  ['rules', '08-rules', 'payload'],
  ['rules', '08-rules-long', 'payload'],
  ['settlement', '09-settlement', 'leafData'],
  ['settlement', '09-settlement-late', 'leafData'],
  ['transfer', '10-transfer', 'payload'],
  ['correction', '11-correction', 'payload'],
  ['seal', '12-seal', 'leafData'],
  ['seal', '12-seal-next', 'leafData'],
  ['witness-policy', '14-witness-policy', 'payload'],
  ['evidence-content', '15-evidence', 'content'],
  ['erasure', '16-erasure', 'payload'],
];

describe('docs/LOG.md', () => {
  it('has a section for every kind', () => {
    for (const kind of Object.values(KIND)) expect(sections).toContain(`5.${kind}`);
  });

  it.each(rules)('names the fields of %s as %s has them', (rule, golden, bytes) => {
    const value = decodeCbor(fromHex(readVectors(`entry-${golden}`)[bytes] as string));
    const map = (Array.isArray(value) ? (value as CborValue[])[2] : value) as ReadonlyMap<CborKey, CborValue>;
    const { required, optional } = keysOf(rule);
    expect(required.length).toBeGreaterThan(0);
    expect([...map.keys()]).toEqual(expect.arrayContaining(required));
    expect([...required, ...optional]).toEqual(expect.arrayContaining([...map.keys()]));
  });

  it('has every section that the code cites', () => {
    const missing: string[] = [];
    for (const folder of ['firmware-protocol/src/', 'ledger-service/src/', 'gateway/src/']) {
      for (const file of readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.ts')) continue;
        const text = readFileSync(new URL(folder + file, root), 'utf8');
        for (const [, cited] of text.matchAll(/LOG (\d+(?:\.\d+)?)/g)) {
          if (!sections.has(cited!)) missing.push(`${folder}${file}: LOG ${cited}`);
        }
      }
    }
    expect(missing).toEqual([]);
  });
});
