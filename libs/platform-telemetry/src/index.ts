export type { LoggingConfig } from './logger-options.js';
export { Metrics } from './metrics.js';
export { annotateContext, currentContext, currentTraceparent, runInContext } from './request-context.js';
export type { RequestContext } from './request-context.js';
export { TelemetryModule, useTelemetry } from './telemetry.module.js';
export { continueTrace } from './trace-parent.js';
