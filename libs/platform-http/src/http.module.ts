import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { Draining } from './draining.service.js';
import { HEALTH_CHECKS, type HealthCheck } from './health-check.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { ProblemFilter } from './problem.filter.js';
import { RequestValidationPipe } from './request-validation.pipe.js';

/** Problem details, validation, drain, health and metrics. Needs TelemetryModule and AuthModule; see `configureHttp`. */
@Module({})
export class HttpModule {
  /** `healthChecks` are made by Nest and may inject what global modules export. */
  static forRoot({ healthChecks }: { healthChecks: Type<HealthCheck>[] }): DynamicModule {
    return {
      module: HttpModule,
      global: true,
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController, MetricsController],
      providers: [
        Draining,
        ...healthChecks,
        { provide: HEALTH_CHECKS, inject: healthChecks, useFactory: (...checks: HealthCheck[]) => checks },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: RequestValidationPipe },
      ],
      exports: [Draining],
    };
  }
}
