import { writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { ApiModule } from '../api.module.js';
import { ApiConfig } from '../config.js';
import { createHttpAdapter } from '@holdfast/platform-http';
import { buildOpenApiDocument } from '../openapi.js';

/** `node dist/commands/write-openapi.js FILE`: the OpenAPI document. Needs no database: nothing is instantiated. */
const app = await NestFactory.create(ApiModule.forRoot(new ApiConfig()), createHttpAdapter(), {
  preview: true,
  logger: ['error'],
  abortOnError: false,
});
writeFileSync(process.argv[2] ?? 'openapi.json', `${JSON.stringify(buildOpenApiDocument(app), null, 2)}\n`);
