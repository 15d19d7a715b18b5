/** What every command has: help with examples, refusals that name the nearest right word, options from the environment. */
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { Command, type Help, InvalidArgumentError, type Option } from 'commander';
import type { Config } from '../config.js';
import type { CommandContext } from './context.js';

/** A command that was parsed: what to run, with which options. */
export interface Parsed {
  readonly json: boolean;
  readonly run: (context: CommandContext) => Promise<number>;
}

export const EXIT_CODES = `
Exit status: 0 done; 1 failed, or what was to be equal is not; 2 a wrong option, argument or COMMONWATT_ variable.`;

/** Refuses an option or command that there is not with the nearest one that there is. */
export class HelpfulCommand extends Command {
  override createCommand(name?: string): Command {
    return new HelpfulCommand(name);
  }

  /** Which options a command cannot do without stands in its help. */
  override createHelp(): Help {
    const help = super.createHelp();
    const describe = help.optionDescription.bind(help);
    help.optionDescription = (option) => `${describe(option)}${option.mandatory ? ' (required)' : ''}`;
    return help;
  }

  /** A wrong option is named before a missing one: the wrong one may be that one, mistyped. */
  override parseOptions(argv: string[]): { operands: string[]; unknown: string[] } {
    const parsed = super.parseOptions(argv);
    const [wrong] = parsed.unknown.filter((word) => word.startsWith('-'));
    const isHelp = parsed.unknown.some((word) => word === '--help' || word === '-h');
    if (this.commands.length === 0 && wrong !== undefined && !isHelp) this.unknownOption(wrong);
    return parsed;
  }

  unknownOption(flag: string): never {
    const flags = this.options.flatMap(({ long, short }) => [long, short]).filter((one) => one !== undefined);
    const nearest = nearestName(flag.split('=')[0] ?? flag, [...flags, '--help']);
    const hint = nearest === undefined ? '' : `, did you mean ${nearest}?`;
    return this.error(`error: unknown option ${flag.slice(0, 80)}${hint}`, { code: 'commander.unknownOption' });
  }

  unknownCommand(): never {
    const given = this.args[0] ?? '';
    const names = this.commands.map((command) => command.name());
    const nearest = nearestName(given, names);
    const hint = nearest === undefined ? `, expected one of ${names.join(', ')}` : `, did you mean ${nearest}?`;
    return this.error(`error: unknown command ${given.slice(0, 80)}${hint}`, { code: 'commander.unknownCommand' });
  }
}

export interface Ask {
  readonly config: Config;
  readonly parsed: (command: Parsed) => void;
}

/** Adds the option every command has, its examples, and what runs it. Its arguments are options too, by their names. */
export function finish<Options>(
  command: Command,
  { parsed }: Ask,
  { examples, note = '' }: { readonly examples: readonly string[]; readonly note?: string },
  load: () => Promise<(options: Options, context: CommandContext) => Promise<number>>,
): void {
  const lines = examples.map((one) => `  $ ${one}\n`).join('');
  command
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .addHelpText('after', `\nExamples:\n${lines}${note === '' ? '' : `\n${note}`}${EXIT_CODES}`)
    .action(() => {
      const names = command.registeredArguments.map((argument) => argument.name());
      const given = Object.fromEntries(names.map((name, i) => [name, command.processedArgs[i] as unknown]));
      const options = { ...command.opts(), ...given } as Options;
      parsed({ json: command.opts().json === true, run: async (context) => (await load())(options, context) });
    });
}

/** An option whose default may come from the environment, checked like one that was typed. */
export function fromEnvironment<T>(
  option: Option,
  set: string | undefined,
  otherwise: T,
  parse: (text: string) => T,
): Option {
  if (set === undefined) return option.default(otherwise).argParser(parse);
  try {
    return option.default(parse(set)).argParser(parse);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw new InvalidArgumentError(`environment, for ${option.long}: ${error.message}`);
    }
    throw error;
  }
}
