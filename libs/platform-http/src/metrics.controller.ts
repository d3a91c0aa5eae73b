import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '@holdfast/platform-auth';
import { Metrics } from '@holdfast/platform-telemetry';
import type { FastifyReply } from 'fastify';

@ApiExcludeController()
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Prometheus text. Numbers only; keep it inside the cluster all the same. */
  @Get()
  async exposeMetrics(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const { contentType, text } = await this.metrics.expose();
    void reply.header('content-type', contentType);
    return text;
  }
}
