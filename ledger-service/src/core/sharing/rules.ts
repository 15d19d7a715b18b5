/**
 * The sharing rules by the numbers a rules entry names (LOG 5.8). Consumer and producer rule are independent choices.
 * A new rule is a function in a file of its own, a number here and in `RuleSettings`; a number, once used, keeps its
 * meaning for ever, because old intervals are settled again with it.
 */
import { LedgerError } from '../errors.js';
import type { RuleSettings } from '../records/index.js';
import { deliverProRata, receiveDynamicProRata } from './dynamic-pro-rata.js';
import type { ConsumerRule, ProducerRule } from './pool.js';

const CONSUMER_RULES: Readonly<Record<RuleSettings['consumerRule'], ConsumerRule>> = { 1: receiveDynamicProRata };
const PRODUCER_RULES: Readonly<Record<RuleSettings['producerRule'], ProducerRule>> = { 1: deliverProRata };

/** Throws LedgerError `bad-request` for a number without a rule. */
export function consumerRule(number: number): ConsumerRule {
  return find(CONSUMER_RULES, number, 'consumer rule');
}

/** Throws LedgerError `bad-request` for a number without a rule. */
export function producerRule(number: number): ProducerRule {
  return find(PRODUCER_RULES, number, 'producer rule');
}

function find<Rule>(rules: Readonly<Record<number, Rule>>, number: number, what: string): Rule {
  const rule = Object.hasOwn(rules, number) ? rules[number] : undefined;
  if (rule === undefined) {
    throw new LedgerError('bad-request', `${what}: expected one of ${Object.keys(rules).join(', ')}, got ${number}`);
  }
  return rule;
}
