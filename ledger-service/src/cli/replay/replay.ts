import type { CommandContext } from '../context.js';
export async function runReplay(_options: object, _context: CommandContext): Promise<number> {
  return 0;
}
