import { Module, type DynamicModule, type INestApplicationContext } from '@nestjs/common';
import { Logger, LoggerModule } from 'nestjs-pino';
import pretty, { type PrettyOptions } from 'pino-pretty';
import { loggerOptions, type LoggingConfig } from './logger-options.js';
import { Metrics } from './metrics.js';

const FOR_A_TERMINAL: PrettyOptions = {
  messageFormat: '{context}: {if event}{event} {end}{msg}',
  ignore: 'pid,hostname,app,context,event,request_id,trace_id,project_id,key_id,is_stream,is_aborted',
  singleLine: true,
  sync: true,
};

/** Logs and metrics for the whole app. Code logs through Nest's `Logger`: `logger.log({ event: 'turn.claimed', … })`. */
@Module({})
export class TelemetryModule {
  static forRoot(config: LoggingConfig): DynamicModule {
    const options = { ...loggerOptions(config), autoLogging: false };
    return {
      module: TelemetryModule,
      global: true,
      imports: [
        LoggerModule.forRoot({
          pinoHttp: config.pretty ? [options, pretty(FOR_A_TERMINAL)] : options,
          // platform-http writes the line of a request: it knows the route and sees hijacked replies.
          forRoutes: [],
        }),
      ],
      providers: [{ provide: Metrics, useFactory: () => new Metrics(config.app) }],
      exports: [Metrics],
    };
  }
}

/** Sends what Nest and the app log through pino. Call it first, on an app made with `bufferLogs: true`. */
export function useTelemetry(app: INestApplicationContext): void {
  app.useLogger(app.get(Logger));
}
