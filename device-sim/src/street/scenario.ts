import { isValidId } from '@commonwatt/firmware-protocol';
import { profiles } from '@commonwatt/firmware-protocol/registers';
import { SimError } from '../errors.js';
import { Fields, show } from '../fields.js';

/** Degrees, north and east positive. */
export interface Location {
  readonly latitude: number;
  readonly longitude: number;
}

/** A field of panels. Tilt 0 lies flat; azimuth is a compass bearing, 180 looks south. */
export interface Panels {
  readonly kwp: number;
  readonly tiltDegrees: number;
  readonly azimuthDegrees: number;
}

export const LOAD_SHAPES = ['household', 'worker', 'heatpump', 'shop', 'commons'] as const;
export type LoadShape = (typeof LOAD_SHAPES)[number];

export const HOME_CLASSES = ['household', 'commercial', 'commons'] as const;
export type HomeClass = (typeof HOME_CLASSES)[number];

/** What the counters showed when the simulation began, in mWh. */
export interface StartCounters {
  readonly importMwh: number;
  readonly exportMwh: number;
  readonly generationMwh: number;
  readonly chargeMwh: number;
  readonly dischargeMwh: number;
}

export interface ScenarioHome {
  readonly id: string;
  readonly name?: string;
  readonly class: HomeClass;
  readonly seed: number;
  readonly panels: readonly Panels[];
  readonly load: { readonly shape: LoadShape; readonly yearlyKwh: number };
  readonly battery?: { readonly kwh: number; readonly kw: number };
  /** Profile of the meter at the connection point, then perhaps that of the inverter or generation meter. */
  readonly meters: readonly [string] | readonly [string, string];
  readonly start?: StartCounters;
}

export interface Scenario {
  readonly title: string;
  readonly location: Location;
  readonly seed: number;
  readonly homes: readonly ScenarioHome[];
}

export const MAX_HOMES = 200;
const MAX_SEED = 0xffff_ffff;
const MAX_PANEL_FIELDS = 8;
const MAX_KWH_OF_COUNTER = 4_000_000;
const KEYS = ['id', 'name', 'class', 'seed', 'panels', 'load', 'battery', 'meters', 'start_kwh'];

/** Untrusted: a scenario file's JSON. Throws `bad-scenario`; unknown keys are refused with the nearest right one. */
export function parseScenario(value: unknown, where: string): Scenario {
  const fields = new Fields(value, where, 'bad-scenario', ['version', 'title', 'location', 'seed', 'homes']);
  fields.integer('version', { min: 1, max: 1 });
  return {
    title: fields.text('title', 80),
    location: parseLocation(fields.raw('location'), `${where}: location`),
    seed: fields.integer('seed', { min: 0, max: MAX_SEED }),
    homes: parseHomes(fields.raw('homes'), `${where}: homes`),
  };
}

/** Untrusted. */
export function parseLocation(value: unknown, where: string): Location {
  const fields = new Fields(value, where, 'bad-scenario', ['lat', 'lon']);
  return {
    latitude: fields.number('lat', { min: -90, max: 90 }),
    longitude: fields.number('lon', { min: -180, max: 180 }),
  };
}

/** Untrusted: 1 to 200 homes, each id once. */
export function parseHomes(value: unknown, where: string): readonly ScenarioHome[] {
  const wrapped = new Fields({ homes: value }, where, 'bad-scenario', ['homes']);
  const homes = wrapped
    .list('homes', { min: 1, max: MAX_HOMES })
    .map((home, index) => parseHome(home, `${where}[${index}]`));
  const ids = new Set<string>();
  for (const { id } of homes) {
    if (ids.has(id)) throw new SimError('bad-scenario', `${where}: two homes have the id ${id}`);
    ids.add(id);
  }
  return homes;
}

function parseHome(value: unknown, where: string): ScenarioHome {
  const fields = new Fields(value, where, 'bad-scenario', KEYS);
  const id = fields.text('id', 64);
  if (!isValidId(id)) throw new SimError('bad-scenario', `${where}: id: expected an id, got ${show(id)}`);
  const panels = fields.has('panels')
    ? fields
        .list('panels', { min: 0, max: MAX_PANEL_FIELDS })
        .map((one, index) => parsePanels(one, `${where}: panels[${index}]`))
    : [];
  return {
    id,
    ...(fields.has('name') ? { name: fields.text('name', 40) } : {}),
    class: fields.has('class') ? fields.oneOf('class', HOME_CLASSES) : 'household',
    seed: fields.integer('seed', { min: 0, max: MAX_SEED }),
    panels,
    load: parseLoad(fields.raw('load'), `${where}: load`),
    ...(fields.has('battery') ? { battery: parseBattery(fields.raw('battery'), `${where}: battery`) } : {}),
    meters: parseMeters(fields, where, panels.length > 0),
    ...(fields.has('start_kwh') ? { start: parseStart(fields.raw('start_kwh'), `${where}: start_kwh`) } : {}),
  };
}

function parsePanels(value: unknown, where: string): Panels {
  const fields = new Fields(value, where, 'bad-scenario', ['kwp', 'tilt_deg', 'azimuth_deg']);
  return {
    kwp: fields.number('kwp', { min: 0.1, max: 1000 }),
    tiltDegrees: fields.number('tilt_deg', { min: 0, max: 90 }),
    azimuthDegrees: fields.number('azimuth_deg', { min: 0, max: 360 }),
  };
}

function parseLoad(value: unknown, where: string): ScenarioHome['load'] {
  const fields = new Fields(value, where, 'bad-scenario', ['shape', 'yearly_kwh']);
  return {
    shape: fields.oneOf('shape', LOAD_SHAPES),
    yearlyKwh: fields.number('yearly_kwh', { min: 0, max: 1_000_000 }),
  };
}

function parseBattery(value: unknown, where: string): { kwh: number; kw: number } {
  const fields = new Fields(value, where, 'bad-scenario', ['kwh', 'kw']);
  return { kwh: fields.number('kwh', { min: 0.1, max: 1000 }), kw: fields.number('kw', { min: 0.1, max: 1000 }) };
}

/** A grid meter that cannot count the roof's generation needs a second device beside it. */
function parseMeters(fields: Fields, where: string, hasSun: boolean): ScenarioHome['meters'] {
  const names = Object.keys(profiles);
  const meters = fields.list('meters', { min: 1, max: 2 }).map((one) => {
    const wrapped = new Fields({ meters: one }, where, 'bad-scenario', ['meters']);
    return wrapped.oneOf('meters', names);
  });
  const [grid, generation] = meters as [string, string | undefined];
  if (generation === undefined) return [grid];
  if (!hasSun) throw new SimError('bad-scenario', `${where}: meters: a home without panels has one meter, got two`);
  if (!countsGeneration(generation)) {
    throw new SimError('bad-scenario', `${where}: meters: ${generation} has no counter for generation`);
  }
  return [grid, generation];
}

/** Whether a profile has a counter for what the roof gives. */
export function countsGeneration(name: string): boolean {
  return profiles[name]?.channels.some(({ quantity }) => quantity === 3) ?? false;
}

function parseStart(value: unknown, where: string): StartCounters {
  const fields = new Fields(value, where, 'bad-scenario', ['import', 'export', 'generation', 'charge', 'discharge']);
  const energyMwh = (name: string): number =>
    fields.has(name) ? Math.round(fields.number(name, { min: 0, max: MAX_KWH_OF_COUNTER }) * 1e6) : 0;
  return {
    importMwh: energyMwh('import'),
    exportMwh: energyMwh('export'),
    generationMwh: energyMwh('generation'),
    chargeMwh: energyMwh('charge'),
    dischargeMwh: energyMwh('discharge'),
  };
}
