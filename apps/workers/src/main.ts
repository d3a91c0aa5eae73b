import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ConfigInvalid } from '@holdfast/platform-config';
import { configureHttp, createHttpAdapter } from '@holdfast/platform-http';
import { useTelemetry } from '@holdfast/platform-telemetry';
import { workersConfig, type WorkersConfig } from './config.js';
import { WorkersModule } from './workers.module.js';

async function work(config: WorkersConfig): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(WorkersModule.forRoot(config), createHttpAdapter(), {
    bufferLogs: true,
  });
  useTelemetry(app);
  // Probes are exempt from the limit, and there is nothing else to ask for.
  await configureHttp(app, { rateLimitPerMinute: 60 });
  app.enableShutdownHooks();
  await (config.HEALTH_PORT === undefined ? app.init() : app.listen(config.HEALTH_PORT, config.HEALTH_HOST));
  console.log('workers ready');
}

try {
  await work(workersConfig());
} catch (error) {
  console.error(error instanceof ConfigInvalid ? error.message : error);
  process.exit(1);
}
