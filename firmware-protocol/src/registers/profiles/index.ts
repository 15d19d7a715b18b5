import { ProtocolError } from '../../errors.js';
import { nearestName } from '../nearest.js';
import type { Profile } from '../profile.js';
import { eastronSdm230, eastronSdm630 } from './eastron.js';
import { referenceMeter } from './reference.js';
import { sunspecInverterMeter } from './sunspec.js';

/** Every meter this version can read, by the name that enrolment and configuration use. */
export const profiles: Readonly<Record<string, Profile>> = Object.freeze({
  'eastron-sdm630': eastronSdm630,
  'eastron-sdm230': eastronSdm230,
  'sunspec-103-203': sunspecInverterMeter,
  reference: referenceMeter,
});

/** The profile of that name. Throws `unknown-profile`, naming the nearest. */
export function findProfile(name: string): Profile {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile !== undefined) return profile;
  const nearest = nearestName(name, Object.keys(profiles));
  const hint = nearest === undefined ? `one of ${Object.keys(profiles).join(', ')}` : `did you mean ${nearest}?`;
  throw new ProtocolError('unknown-profile', `there is no meter profile ${JSON.stringify(name.slice(0, 64))}: ${hint}`);
}
