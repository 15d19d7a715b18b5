/** The last thing done to a line: what should not be in one is not, even where somebody put it there by mistake. */

/** Keys, hashes and signatures in hex keep their beginning, by which they can be told apart. */
const LONG_HEX = /[0-9a-f]{32,}/gi;
/** Padded Base64 of 24 bytes and more: keys, entries, checkpoints. */
const LONG_BASE64 = /[A-Za-z0-9+/]{30,}={1,2}/g;
const KEPT = 8;
const MIN_SECRET_LENGTH = 8;

/** Takes out these secrets wherever they stand, and shortens what looks like bytes. */
export function scrubber(secrets: readonly string[]): (line: string) => string {
  const known = secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH);
  return (line) => {
    let clean = line;
    for (const secret of known) clean = clean.replaceAll(secret, '[secret]');
    return clean.replace(LONG_HEX, shorten).replace(LONG_BASE64, shorten);
  };
}

const shorten = (bytes: string): string => `${bytes.slice(0, KEPT)}~`;
