/** The arrows that must never be: who may know whom, as rules over resolved imports (docs/ARCHITECTURE.md). */
import { importsOf, resolveImport, type Sources } from './imports.js';

export interface Violation {
  readonly file: string;
  readonly imports: string;
  readonly rule: string;
}

interface Rule {
  readonly rule: string;
  readonly from: RegExp;
  /** True for an import that breaks the rule. */
  readonly breaks: (target: string, file: string) => boolean;
}

const SIBLINGS = ['gateway', 'ledger-service', 'device-sim'] as const;
const isOurs = (target: string): boolean =>
  /^(firmware-protocol|gateway|ledger-service|device-sim|tests)\//.test(target);
const adapterOf = (path: string): string | undefined => /^[^/]+\/src\/adapters\/([^/]+)/.exec(path)?.[1];

const RULES: readonly Rule[] = [
  {
    rule: 'firmware-protocol knows no sibling, no Node and no library but its hash, curve and CBOR',
    from: /^firmware-protocol\/src\//,
    breaks: (target) => (isOurs(target) ? !target.startsWith('firmware-protocol/') : !/^(@noble\/|cborg)/.test(target)),
  },
  ...SIBLINGS.map((name) => ({
    rule: `${name} meets the other services in bytes only`,
    from: new RegExp(`^${name}/src/`),
    breaks: (target: string) =>
      isOurs(target) && !target.startsWith(`${name}/`) && !target.startsWith('firmware-protocol/'),
  })),
  {
    rule: 'the core of the ledger is pure: itself and firmware-protocol',
    from: /^ledger-service\/src\/core\//,
    breaks: (target) => !target.startsWith('ledger-service/src/core/') && !target.startsWith('firmware-protocol/src/'),
  },
  {
    rule: 'a use case knows core, ports and other use cases, never an adapter, a library or Node',
    from: /^ledger-service\/src\/usecases\//,
    breaks: (target) => !/^(ledger-service\/src\/(core|usecases)|firmware-protocol\/src)\//.test(target),
  },
  {
    rule: 'an adapter does not know another adapter',
    from: /^[^/]+\/src\/adapters\//,
    breaks: (target, file) => {
      const other = adapterOf(target);
      return other !== undefined && other !== adapterOf(file);
    },
  },
  {
    rule: 'the core of the gateway knows no adapter, no library and no Node',
    from: /^gateway\/src\/core\//,
    breaks: (target) =>
      !/^(gateway\/src\/core|firmware-protocol\/src)\//.test(target) && target !== 'gateway/src/errors.ts',
  },
  {
    rule: 'nothing knows a main',
    from: /^[^/]+\/src\//,
    breaks: (target) => /^[^/]+\/src\/main\.ts$/.test(target),
  },
];

export function findViolations(sources: Sources): readonly Violation[] {
  const found: Violation[] = [];
  for (const [file, text] of sources) {
    const targets = importsOf(text).map((specifier) => resolveImport(file, specifier));
    for (const { rule, from, breaks } of RULES) {
      if (!from.test(file)) continue;
      for (const target of targets) if (breaks(target, file)) found.push({ file, imports: target, rule });
    }
  }
  return found;
}

const CLOCK = /\b(Date\.now|new Date\(\s*\)|performance\.now|process\.hrtime|setTimeout|setInterval)\b/;
const CHANCE = /\b(Math\.random|randomBytes|randomUUID|getRandomValues)\b/;
const ENVIRONMENT = /\bprocess\.env\b/;

/** Reads of clock, chance and environment where they do not belong. */
export function findImpureReads(sources: Sources): readonly Violation[] {
  const found: Violation[] = [];
  for (const [file, text] of sources) {
    const isPure =
      /^(firmware-protocol\/src|ledger-service\/src\/core|ledger-service\/src\/usecases|gateway\/src\/core)\//.test(
        file,
      );
    if (
      isPure &&
      (CLOCK.test(text) || CHANCE.test(text.replace(/randomBytes\(count: number\)|\.randomBytes\(/g, '')))
    ) {
      found.push({ file, imports: 'a clock or chance', rule: 'time and chance are handed in' });
    }
    if (/\/src\//.test(file) && !/\/config\.ts$/.test(file) && ENVIRONMENT.test(text)) {
      found.push({ file, imports: 'process.env', rule: 'only config reads the environment' });
    }
  }
  return found;
}
