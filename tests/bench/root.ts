import { fileURLToPath } from 'node:url';

/** The root of the repository: this file runs from tests/bench/dist. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
