import { describe, expect, it } from 'vitest';
import { checkId, checkpointTopic, isValidId, parseTopic, subscription, topics } from '../src/topics.js';
import vectors from '../vectors/topics.json' with { type: 'json' };
import { codeOf } from './support.js';

describe('an id', () => {
  it.each(vectors.ids)('$id is one: $valid', ({ id, valid }) => {
    expect(isValidId(id)).toBe(valid);
    expect(codeOf(() => checkId(id, 'home'))).toBe(valid ? 'not refused' : 'bad-id');
    expect(codeOf(() => topics(id, 'gw'))).toBe(valid ? 'not refused' : 'bad-id');
    expect(codeOf(() => topics('community', id))).toBe(valid ? 'not refused' : 'bad-id');
    expect(codeOf(() => checkpointTopic(id))).toBe(valid ? 'not refused' : 'bad-id');
  });

  it('is named in the refusal', () => {
    expect(() => checkId('a/b', 'home')).toThrow(
      'home id: expected 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first, got "a/b"',
    );
  });
});

describe('a topic', () => {
  it.each(vectors.topics)('$topic is taken apart', ({ topic, community, gateway, leaf }) => {
    expect(parseTopic(topic)).toEqual({ community, gateway, leaf });
    expect(Object.values(topics(community, gateway))).toContain(topic);
  });

  it.each(vectors.foreign)('%s is not a gateway of this version', (topic) => {
    expect(parseTopic(topic)).toBeUndefined();
  });

  it('of the checkpoint and the filters are what the vectors say', () => {
    expect(checkpointTopic(vectors.checkpoint.community)).toBe(vectors.checkpoint.topic);
    expect(subscription('frame')).toBe('cw/1/+/+/frame');
    expect(subscription('event', 'sonnenhof')).toBe('cw/1/sonnenhof/+/event');
    expect(codeOf(() => subscription('event', '#'))).toBe('bad-id');
  });
});
