import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import {
  roleWith,
  RUNNER_KEY_SCHEME,
  SHARE_CREDENTIAL_SCHEME,
  TURN_CREDENTIAL_SCHEME,
  USER_KEY_SCHEME,
  type Permission,
  type ShareRole,
} from '@holdfast/platform-auth';

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
    .addBearerAuth(
      {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'hf_share_… or hf_view_…',
        description:
          'The token of a share, or what somebody was given who joined with one: for what the share opens, in its role',
      },
      SHARE_CREDENTIAL_SCHEME,
    )
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (_controller, method) => snakeCase(method),
  });
  for (const operation of Object.values(document.paths).flatMap(
    (item) => Object.values(item) as DescribedOperation[],
  )) {
    nameLeastRole(operation);
  }
  return document;
}

/** An operation with what decorators say of who may call it. */
interface DescribedOperation {
  'x-permission'?: Permission;
  'x-share'?: { role?: ShareRole | 'never'; of: string; where: string };
}

/** Where a route does not say which role of a share it takes, its permission does. */
function nameLeastRole(operation: DescribedOperation): void {
  const { 'x-permission': permission, 'x-share': share } = operation;
  if (share && permission) share.role ??= roleWith(permission);
}
