import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { ConfigInvalid } from '@holdfast/platform-config';
import { configureHttp, createHttpAdapter, DirectLane } from '@holdfast/platform-http';
import { useTelemetry } from '@holdfast/platform-telemetry';
import { ApiModule } from './api.module.js';
import { apiConfig, type ApiConfig } from './config.js';
import { ApiDirectRoutes } from './direct-routes.js';
import { buildOpenApiDocument } from './openapi.js';

async function serve(config: ApiConfig): Promise<void> {
  const lane = new DirectLane();
  const app = await NestFactory.create<NestFastifyApplication>(ApiModule.forRoot(config), createHttpAdapter({ lane }), {
    bufferLogs: true,
  });
  useTelemetry(app);
  await configureHttp(app, {
    rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
    direct: { lane, routes: app.get(ApiDirectRoutes) },
  });
  SwaggerModule.setup('openapi', app, () => buildOpenApiDocument(app), {
    ui: false,
    raw: ['json'],
    jsonDocumentUrl: 'openapi.json',
  });
  app.enableShutdownHooks();
  await app.listen(config.PORT, config.HOST);
}

try {
  await serve(apiConfig());
} catch (error) {
  console.error(error instanceof ConfigInvalid ? error.message : error);
  process.exit(1);
}
