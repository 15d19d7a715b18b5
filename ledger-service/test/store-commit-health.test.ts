import { expect, it } from 'vitest';
import { CommitHealth } from '../src/adapters/store/commit-health.js';
import { LedgerError } from '../src/core/errors.js';

function rig() {
  const time = { nowMs: 0 };
  return { time, health: new CommitHealth(() => time.nowMs) };
}

it('a store that takes what it is given soon is no reason for anything', () => {
  const { health } = rig();
  for (let at = 0; at < 10; at++) {
    health.began();
    health.committed(50);
  }
  expect(health.probe()).toBeUndefined();
});

it('a failed commit is told until one is applied, or a minute has passed', () => {
  const { time, health } = rig();
  health.began();
  health.failed(new LedgerError('store', '/secret/path is full'));
  expect(health.probe()).toMatch(/takes nothing/);
  expect(health.probe()).not.toMatch(/secret/);
  health.began();
  health.committed(5);
  expect(health.probe()).toBeUndefined();
  health.began();
  health.failed(new LedgerError('store', 'full'));
  time.nowMs += 60_000;
  expect(health.probe()).toBeUndefined();
});

it('an error that is not the store`s says nothing about it', () => {
  const { health } = rig();
  health.began();
  health.failed(new LedgerError('invariant', 'ours'));
  expect(health.probe()).toBeUndefined();
});

it('a slow commit is told while it lasts, and for a minute', () => {
  const { time, health } = rig();
  health.began();
  time.nowMs = 10_000;
  expect(health.probe()).toBe('the store is slow: a commit has taken 10 s so far');
  health.committed(10_000);
  expect(health.probe()).toBe('the store is slow: a commit took 10 s');
  time.nowMs += 60_000;
  expect(health.probe()).toBeUndefined();
});
