/** The command line: names, options, examples. What a command does stands in the file of its name. */
import type { Command } from 'commander';
import type { Config } from '../config.js';
import { EXIT_CODES, HelpfulCommand, type Parsed } from './command.js';
import { addBalances, addGateways, addRebuild, addReplay, addStatement } from './commands-looking.js';
import { addApprove, addDemo, addEnrol, addInit, addRevoke, addRules, addServe } from './commands-running.js';
import { VERSION } from './version.js';

/** Builds the program; `parsed` is told what was asked for. */
export function buildProgram(config: Config, parsed: (command: Parsed) => void): Command {
  const program = new HelpfulCommand('commonwatt')
    .description("The co-op's ledger: verifies what gateways sign, settles each interval, books it, and proves it.")
    .version(VERSION)
    .showHelpAfterError('(add --help for the options and examples)');
  const ask = { config, parsed };
  addDemo(program, ask);
  addInit(program, ask);
  addServe(program, ask);
  addEnrol(program, ask);
  addRules(program, ask);
  addApprove(program, ask);
  addRevoke(program, ask);
  addGateways(program, ask);
  addBalances(program, ask);
  addStatement(program, ask);
  addReplay(program, ask);
  addRebuild(program, ask);
  program.addHelpText('after', `${EXIT_CODES}\nStart with: commonwatt demo`);
  return program;
}
