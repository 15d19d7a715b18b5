/** The read side: everything that is asked of the ledger and changes nothing. */
export { type Balance, type BalanceQuestion, type Balances, balancesAt } from './balances.js';
export { type CommunityView, describeCommunity, listCommunities } from './communities.js';
export { type EpochRequestView, listEpochRequests } from './epoch-requests.js';
export { type GatewayView, listGateways } from './gateways.js';
export { type CommunityGauges, gaugesOf } from './gauges.js';
export { type Health, healthOf, type Probe } from './health.js';
export { findInterval, type IntervalSummary, type IntervalView, listIntervals } from './intervals.js';
export {
  checkpointOf,
  type EntryProof,
  type EntryView,
  findEntry,
  listEntries,
  MAX_ENTRIES_A_PAGE,
  newestCheckpoint,
  noteText,
  proveEntry,
} from './log.js';
export { DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS, type Page, type PageRequest } from './paging.js';
export { type Bound, resolvePeriod } from './period.js';
export { CommunityReader } from './reader.js';
export {
  findHome,
  findMember,
  findMeter,
  type HomeView,
  listHomes,
  listMembers,
  listMeters,
  listRules,
  type MemberView,
  type MeterView,
} from './registry.js';
export {
  listVersions,
  newestSettlement,
  type SettlementShell,
  type SettlementView,
  settlementVersion,
} from './settlements.js';
export { type StatementPeriod, type StatementView, statementOf } from './statement.js';
