export { PostgresSignals } from './postgres-signals.js';
export { RedisSignals } from './redis-signals.js';
export { MAX_PAYLOAD_BYTES, Signals } from './signals.js';
export { SignalsModule } from './signals.module.js';
export type { SignalsConfig } from './signals.module.js';
