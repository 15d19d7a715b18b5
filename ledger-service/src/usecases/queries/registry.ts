/** Who and what is enrolled: members, homes, meters, rules. */
import { compareUtf8 } from '@commonwatt/firmware-protocol';
import type { MeterRow, PartyRow, RulesRow } from '../../core/rows.js';
import { type Page, type PageRequest, pageOf, pageOfRead } from './paging.js';
import { type CommunityReader, type Keyed, keyAfter, notFound } from './reader.js';

export interface MemberView extends PartyRow {
  readonly id: string;
}

export interface HomeView {
  readonly id: string;
  readonly member: string;
  /** kids in hex, the revoked ones too. */
  readonly gateways: readonly string[];
  readonly meters: readonly string[];
  /** Whether a gateway of the home may send frames now. */
  readonly active: boolean;
}

export interface MeterView extends MeterRow {
  readonly id: string;
}

export async function listMembers(reader: CommunityReader, request: PageRequest): Promise<Page<MemberView>> {
  const rows = await scanPage(reader, 'party', request);
  return pageOfRead(rows.map(toMember), request.limit, (member) => member.id);
}

/** Throws 'not-found'. */
export async function findMember(reader: CommunityReader, id: string): Promise<MemberView> {
  const row = await reader.row('party', id);
  if (row === undefined) throw await notFound('member', id, () => keysOf(reader, 'party'));
  return toMember([id, row]);
}

export async function listMeters(reader: CommunityReader, request: PageRequest): Promise<Page<MeterView>> {
  const rows = await scanPage(reader, 'meter', request);
  return pageOfRead(rows.map(toMeter), request.limit, (meter) => meter.id);
}

/** Throws 'not-found'. */
export async function findMeter(reader: CommunityReader, id: string): Promise<MeterView> {
  const row = await reader.row('meter', id);
  if (row === undefined) throw await notFound('meter', id, () => keysOf(reader, 'meter'));
  return toMeter([id, row]);
}

export async function listHomes(reader: CommunityReader, request: PageRequest): Promise<Page<HomeView>> {
  return pageOf(await allHomes(reader), request, { cursorOf: (home) => home.id, compare: compareUtf8 });
}

/** Throws 'not-found'. */
export async function findHome(reader: CommunityReader, id: string): Promise<HomeView> {
  const homes = await allHomes(reader);
  const home = homes.find((candidate) => candidate.id === id);
  if (home === undefined) throw await notFound('home', id, () => homes.map((candidate) => candidate.id));
  return home;
}

export async function listRules(reader: CommunityReader, request: PageRequest): Promise<Page<RulesRow>> {
  const rows = await scanPage(reader, 'rules', request);
  return withoutKeys(pageOfRead(rows, request.limit, ([key]) => key));
}

function withoutKeys<Row>(page: Page<Keyed<Row>>): Page<Row> {
  return { ...page, items: page.items.map(([, row]) => row) };
}

export function scanPage<T extends 'party' | 'meter' | 'device' | 'rules'>(
  reader: CommunityReader,
  table: T,
  { after, limit }: PageRequest,
) {
  return reader.scan(table, { ...(after === undefined ? {} : { from: keyAfter(after) }), limit: limit + 1 });
}

async function keysOf(reader: CommunityReader, table: 'party' | 'meter'): Promise<string[]> {
  return (await reader.all(table)).map(([key]) => key);
}

function toMember([id, row]: Keyed<PartyRow>): MemberView {
  return { id, ...row };
}

function toMeter([id, row]: Keyed<MeterRow>): MeterView {
  return { id, ...row };
}

/** A home is nothing by itself: it is what the device entries and the meters name. */
async function allHomes(reader: CommunityReader): Promise<HomeView[]> {
  const homes = new Map<string, { member: string; gateways: string[]; meters: string[]; active: boolean }>();
  const homeOf = (id: string, member: string) => {
    const known = homes.get(id) ?? { member, gateways: [], meters: [], active: false };
    homes.set(id, known);
    return known;
  };
  for (const [kid, device] of await reader.all('device')) {
    const home = homeOf(device.home, device.member);
    home.gateways.push(kid);
    if (device.revokedIndex === undefined) {
      home.active = true;
      home.member = device.member;
    }
  }
  for (const [id, meter] of await reader.all('meter')) homeOf(meter.home, meter.member).meters.push(id);
  return [...homes].map(([id, home]) => ({ id, ...home })).sort((a, b) => compareUtf8(a.id, b.id));
}
