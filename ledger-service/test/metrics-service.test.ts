/** The figures of a running service, scraped from its port as Prometheus does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceMetrics } from '../src/adapters/metrics/service-metrics.js';
import { StepClock } from '../src/adapters/system/clock.js';
import { gaugesOf } from '../src/usecases/queries/index.js';
import { httpService, TOKEN } from './support/http-service.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';
import { until } from './support/pump-fakes.js';
import { COMMUNITY, RunningService, type SealingHome } from './support/running-service.js';

/** Samples of a page in the text format, by name with labels. */
function samplesOf(page: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of page.split('\n')) {
    const match = /^([a-z0-9_]+(?:\{[^}]*\})?) (\S+)$/i.exec(line);
    if (match !== null) samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

describe('a running service', () => {
  let running: RunningService;
  let box: SealingHome;

  beforeAll(async () => {
    running = await RunningService.start();
    box = await running.enrol('h1', 'Annegret Musterfrau', 41);
    await running.enrol('h2', 'Annegret Musterfrau', 42);
  });

  afterAll(() => running.stop());

  async function scrape(): Promise<Map<string, number>> {
    const answer = await running.ask('/metrics');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    return samplesOf(await answer.text());
  }

  const frames = (samples: Map<string, number>, verdict: string) =>
    samples.get(`commonwatt_frames_total{verdict="${verdict}"}`);

  it('has every verdict from the start, so that none is missed when it comes first', async () => {
    const samples = await scrape();
    for (const verdict of ['accepted', 'duplicate', 'malformed', 'unknown-key', 'bad-signature', 'fork', 'gap']) {
      expect(frames(samples, verdict), verdict).toBe(0);
    }
  });

  it('counts frames by what the ledger said to them', async () => {
    const frame = running.frame(box);
    const bent = Uint8Array.from(frame);
    bent[bent.length - 1]! ^= 1;
    const missing = running.frame(box);
    const waiting = running.frame(box);
    for (const message of [frame, frame, frame, bent, waiting, Buffer.from('noise')]) {
      await running.publish('h1', message);
    }
    await running.publish('h1', Buffer.from('noise'), 'event');
    // What is told comes after the acknowledgement.
    await until('all are told', () => running.logText.includes('event refused'));
    const samples = await scrape();
    const counted = ['accepted', 'duplicate', 'bad-signature', 'gap', 'malformed'].map((one) => frames(samples, one));
    expect(counted).toEqual([1, 2, 1, 1, 1]);
    expect(samples.get('commonwatt_events_total{verdict="malformed"}')).toBe(1);
    await running.publish('h1', missing);
    await until('it is told', () => running.lines.some(({ accepted }) => accepted === 2));
    expect(frames(await scrape(), 'accepted')).toBe(3);
  });

  it('says how long commits take, how much waits, how large the log is and how old the newest frame', async () => {
    const samples = await scrape();
    const commits = samples.get('commonwatt_commit_seconds_count')!;
    expect(commits).toBeGreaterThan(3);
    expect(samples.get('commonwatt_commit_seconds_bucket{le="+Inf"}')).toBe(commits);
    expect(samples.get('commonwatt_commit_seconds_sum')).toBeGreaterThan(0);
    expect(samples.get('commonwatt_ingest_batch_seconds_count')).toBeGreaterThan(3);
    expect(samples.get('commonwatt_ingest_queue')).toBe(0);
    const { size } = (await (await running.ask(`/v1/communities/${COMMUNITY}`)).json()) as { size: number };
    expect(samples.get(`commonwatt_log_size{community="${COMMUNITY}"}`)).toBe(size);
    expect(samples.get(`commonwatt_open_intervals{community="${COMMUNITY}"}`)).toBeGreaterThanOrEqual(0);
    const ages = [...samples].filter(([name]) => name.startsWith('commonwatt_newest_frame_age_seconds'));
    expect(ages).toEqual([
      [`commonwatt_newest_frame_age_seconds{community="${COMMUNITY}",gateway="h1"}`, expect.any(Number)],
    ]);
    expect(ages[0]![1]).toBeLessThan(60);
  });

  it('counts messages for communities that are not here', async () => {
    await running.publishElsewhere('nowhere', 'h1', Buffer.from('x'));
    expect((await scrape()).get('commonwatt_unknown_community_total')).toBe(1);
    expect((await scrape()).get('commonwatt_unknown_community_total')).toBe(1);
  });

  it('tells of requests by route and status, and of the process', async () => {
    for (const path of ['/v1/communities/sunny/members/m-h1', '/v1/communities/sunny/members/x', '/a', '/b', '/c']) {
      await running.ask(path);
    }
    // A request is counted when its answer has left, which is a moment after it came.
    await until('all are counted', () => running.lines.filter(({ route }) => route === '').length === 3);
    const samples = await scrape();
    const route = '/v1/communities/:community/members/:member';
    expect(samples.get(`commonwatt_http_requests_total{method="GET",route="${route}",status="200"}`)).toBe(1);
    expect(samples.get(`commonwatt_http_requests_total{method="GET",route="${route}",status="404"}`)).toBe(1);
    expect(samples.get('commonwatt_http_requests_total{method="GET",route="",status="404"}')).toBe(3);
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(samples.get(name), name).toBeGreaterThanOrEqual(0);
    }
  });

  it('names no member, no meter and nobody', async () => {
    const page = await (await running.ask('/metrics')).text();
    for (const word of ['m-h1', 'e-h1', 'Annegret', 'fund', running.token]) expect(page).not.toContain(word);
  });
});

describe('off loopback', () => {
  it('the figures take the token, as what they say of homes does', async () => {
    const street = await LedgerStreet.build({ homes: ['h1'] });
    const metrics = { contentType: 'text/plain', text: async () => 'figures' };
    const { app } = httpService(street, { bind: '0.0.0.0', metrics });
    expect((await app.inject('/metrics')).statusCode).toBe(401);
    const authorization = `Bearer ${TOKEN}`;
    expect((await app.inject({ url: '/metrics', headers: { authorization } })).body).toBe('figures');
    await app.close();
  });

  it('a service without figures has no such route', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const { app } = httpService(street);
    expect((await app.inject('/metrics')).statusCode).toBe(404);
    await app.close();
  });
});

describe('the figures of a ledger', () => {
  it('tell of each community, and of gateways that may send and have sent', async () => {
    const homes = ['h1', 'h2', 'h3'];
    const street = await LedgerStreet.build({ homes });
    await street.edge(START_S, countersAt(homes, 0));
    await street.edge(START_S + INTERVAL_S, { h1: countersAt(homes, 1).h1! });
    const store = street.store;
    const clock = new StepClock((START_S + INTERVAL_S + 100) * 1000);
    const [gauges] = await gaugesOf({ store, clock });
    expect(gauges).toMatchObject({
      community: 'sunny',
      size: await store.size('sunny'),
      openIntervals: expect.any(Number),
    });
    const ages = Object.fromEntries(gauges!.gateways.map(({ gateway, newestFrameAgeS }) => [gateway, newestFrameAgeS]));
    expect(ages).toEqual({ h1: 98, h2: INTERVAL_S + 98, h3: INTERVAL_S + 98 });
    expect(gauges!.openIntervals).toBe((await store.scan('sunny', 'due', { limit: 100 })).length);
  });

  it('let go of what is gone', async () => {
    let gauges = [{ community: 'a', size: 1, openIntervals: 0, gateways: [{ gateway: 'h', newestFrameAgeS: 5 }] }];
    const sources = {
      gauges: async () => gauges,
      heldIntervals: () => new Map([['a', 3]]),
      queuedMessages: () => 7,
      unknownMessages: () => 0,
      turnedAway: () => 3,
    };
    const metrics = new ServiceMetrics(sources);
    expect(samplesOf(await metrics.text()).get('commonwatt_ingest_queue')).toBe(7);
    expect(samplesOf(await metrics.text()).get('commonwatt_turned_away_total')).toBe(3);
    expect(await metrics.text()).toContain('gateway="h"');
    expect(samplesOf(await metrics.text()).get('commonwatt_held_intervals{community="a"}')).toBe(3);
    gauges = [];
    const page = await metrics.text();
    expect(page).not.toContain('community="a"');
    expect(page).not.toContain('gateway="h"');
  });

  it('fail as one page where the store fails', async () => {
    const gauges = () => Promise.reject(new Error('no store'));
    const metrics = new ServiceMetrics({
      gauges,
      heldIntervals: () => new Map(),
      queuedMessages: () => 0,
      unknownMessages: () => 0,
      turnedAway: () => 3,
    });
    await expect(metrics.text()).rejects.toThrow('no store');
  });
});
