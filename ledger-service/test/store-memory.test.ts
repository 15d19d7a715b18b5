import { expect, it } from 'vitest';
import { describeStore, leaves } from '../../tests/contracts/store-contract.js';
import { MemoryStore } from '../src/adapters/store/memory-store.js';

describeStore('memory', () => new MemoryStore());

it('two memory stores share nothing', async () => {
  const [one, two] = [new MemoryStore(), new MemoryStore()];
  await one.commit('c', { expectedSize: 0, newSize: 1, writes: leaves(0, 1) });
  expect(await two.communities()).toEqual([]);
});
