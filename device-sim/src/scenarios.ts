import { readFile } from 'node:fs/promises';
import { messageOf, SimError } from './errors.js';
import { chance, subSeed } from './street/noise.js';
import { parseScenario, type Scenario, type ScenarioHome } from './street/scenario.js';

const DEFAULT_STREET = new URL('../scenarios/street.json', import.meta.url);

/** The street that comes with the program. */
export async function readDefaultStreet(): Promise<Scenario> {
  return parseText(await readFile(DEFAULT_STREET, 'utf8'), 'scenarios/street.json');
}

/** Untrusted: a scenario file. Throws `bad-scenario`. */
export async function readScenario(path: string): Promise<Scenario> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new SimError('bad-scenario', `${path}: ${messageOf(error)}`, { cause: error });
  }
  return parseText(text, path);
}

function parseText(text: string, where: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SimError('bad-scenario', `${where}: not JSON: ${messageOf(error)}`, { cause: error });
  }
  return parseScenario(value, where);
}

/** The first `count` homes of a street; beyond its end, neighbours who resemble them. */
export function withCount(scenario: Scenario, count: number): Scenario {
  const given = scenario.homes.length;
  const homes = Array.from({ length: count }, (_, index) => {
    const model = scenario.homes[index % given]!;
    const round = Math.floor(index / given);
    return round === 0 ? model : resemble(model, round);
  });
  return { ...scenario, homes };
}

/** Another seed, another id, up to a quarter more or less of everything, and meters of their own age. */
function resemble(home: ScenarioHome, round: number): ScenarioHome {
  const seed = subSeed(home.seed, `round ${round}`);
  const factor = 0.75 + 0.5 * chance(seed, round);
  return {
    id: `${home.id}-${round + 1}`,
    class: home.class,
    seed,
    panels: home.panels.map((panels) => ({ ...panels, kwp: panels.kwp * factor })),
    load: { ...home.load, yearlyKwh: home.load.yearlyKwh * factor },
    ...(home.battery === undefined ? {} : { battery: home.battery }),
    meters: home.meters,
  };
}
