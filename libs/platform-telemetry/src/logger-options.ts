import { stdTimeFunctions, type LogFn, type Logger, type LoggerOptions } from 'pino';
import { currentContext } from './request-context.js';
import { traceIdOf } from './trace-parent.js';

/** How an app logs. */
export interface LoggingConfig {
  /** Names the app in every line and metric. */
  app: string;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Lines for a person at a terminal instead of JSON. */
  pretty: boolean;
}

/** No code logs headers; this keeps a credential out of the log when an error object carries them. */
const CREDENTIALS = ['authorization', 'headers.authorization', 'headers.cookie'].flatMap((path) => [
  path,
  `*.${path}`,
  `*.*.${path}`,
]);

/** One JSON object per line, with the ids of the request or job it belongs to. */
export function loggerOptions(config: LoggingConfig): LoggerOptions {
  return {
    level: config.logLevel,
    base: { app: config.app },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
    redact: { paths: CREDENTIALS, censor: '[redacted]' },
    mixin: contextFields,
    hooks: { logMethod: withoutBootNotes },
  };
}

/** Nest tells of every module and route at its start. */
const BOOT_CONTEXTS = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);
const INFO = 30;

function withoutBootNotes(this: Logger, args: Parameters<LogFn>, method: LogFn, level: number): void {
  const [fields] = args as unknown[];
  const isBootNote = level === INFO && BOOT_CONTEXTS.has((fields as { context?: string } | undefined)?.context ?? '');
  if (!isBootNote) method.apply(this, args);
}

function contextFields(): object {
  const context = currentContext();
  if (!context) return {};
  const { traceparent, ...ids } = context;
  return { ...ids, trace_id: traceIdOf(traceparent) };
}
