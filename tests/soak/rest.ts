import { isoSeconds, type Settlement } from '../e2e/support/co-op.js';

const LINES_A_PAGE = 100;

/** What REST says about the community, as a program on the ledger's own machine reads it. Throws for any status but 200. */
export class Rest {
  readonly #base: string;

  constructor(url: string, community: string) {
    this.#base = `${url}/v1/communities/${community}`;
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T;
  }

  async text(path: string): Promise<string> {
    const response = await fetch(`${this.#base}${path}`);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return text;
  }

  /** The newest settlement of an interval with its lines, or undefined where nothing is settled. */
  async settlement(startS: number): Promise<Settlement | undefined> {
    const response = await fetch(`${this.#base}/settlements/${isoSeconds(startS)}?limit=${LINES_A_PAGE}`);
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new Error(`settlement ${isoSeconds(startS)}: ${response.status} ${text}`);
    return JSON.parse(text) as Settlement;
  }
}
