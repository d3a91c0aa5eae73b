import { Controller, Get, Inject, ServiceUnavailableException } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService, type HealthCheckResult } from '@nestjs/terminus';
import { Public } from '@holdfast/platform-auth';
import { Draining } from './draining.service.js';
import { HEALTH_CHECKS, type HealthCheck } from './health-check.js';
import { NotReady } from './http.errors.js';

const CHECK_TIMEOUT_MS = 2_000;

/** What an orchestrator asks. Says which check failed, never why: anybody may ask. */
@ApiExcludeController()
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly draining: Draining,
    @Inject(HEALTH_CHECKS) private readonly checks: HealthCheck[],
  ) {}

  /** The process runs; restarting it would not help. */
  @Get('live')
  checkLiveness(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** The process takes requests: all that is vital to it answers, and it is not shutting down. */
  @Get('ready')
  async checkReadiness(): Promise<{ status: 'ok'; checks: Record<string, string> }> {
    if (this.draining.isDraining) throw NotReady({ checks: { process: 'draining' } });
    const result = await this.run();
    const checks = Object.fromEntries(Object.entries(result.details).map(([name, { status }]) => [name, status]));
    if (this.checks.some(({ name, isVital }) => isVital && checks[name] !== 'up')) throw NotReady({ checks });
    return { status: 'ok', checks };
  }

  private async run(): Promise<HealthCheckResult> {
    const attempts = this.checks.map(
      (check) => () =>
        this.indicators
          .check(check.name)
          .attempt(() => check.check())
          .withTimeout(CHECK_TIMEOUT_MS),
    );
    try {
      return await this.health.check(attempts);
    } catch (error) {
      if (error instanceof ServiceUnavailableException) return error.getResponse() as HealthCheckResult;
      throw error;
    }
  }
}
