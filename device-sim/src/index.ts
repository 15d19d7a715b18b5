/** The simulator's parts, for its own tests and for tools that want a street inside their process. */
export { type ClockSetting, SettableClock, type SimClock } from './clock.js';
export { SimError, type SimErrorCode } from './errors.js';
export { type RegisterFile, readRegisterFile } from './replay/register-file.js';
export { Replayer } from './replay/replayer.js';
export { readDefaultStreet, readScenario, withCount } from './scenarios.js';
export { parseScenario, type Scenario, type ScenarioHome } from './street/scenario.js';
export { Street } from './street/street.js';
