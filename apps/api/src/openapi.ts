import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { RUNNER_KEY_SCHEME, TURN_CREDENTIAL_SCHEME, USER_KEY_SCHEME } from '@holdfast/platform-auth';

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** OpenAPI 3.1 of everything that the app serves. Operation ids are the methods' names in snake_case. */
export function buildOpenApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription('Keeps AI agent sessions alive: their log, transcript, questions, and who runs them.')
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'hf_user_…', description: "A user's key" },
      USER_KEY_SCHEME,
    )
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'hf_runner_…', description: "A runner's key" },
      RUNNER_KEY_SCHEME,
    )
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'hf_turn_…',
        description: 'What the owner of a turn was given with it: for this attempt of this turn, and for 15 minutes',
      },
      TURN_CREDENTIAL_SCHEME,
    )
    .build();
  return SwaggerModule.createDocument(app, config, { operationIdFactory: (_controller, method) => snakeCase(method) });
}
