import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, IntersectionType, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { Permit } from '@holdfast/platform-auth';
import { defineError } from '@holdfast/platform-errors';
import { ApiProblems, createHttpAdapter, IdempotencyKey, PageQuery } from '../src/index.js';

const SessionInUse = defineError<{ id: string }>({
  code: 'session_in_use',
  kind: 'conflict',
  title: 'Session in use',
  detail: () => '',
});
const NoLiveTurn = defineError({ code: 'no_live_turn', kind: 'conflict', title: 'No live turn', detail: () => '' });

class ByName {
  @IsString()
  name!: string;
}
class NamedQuery extends IntersectionType(PageQuery, ByName) {}

@Controller('v1/sessions')
class Routes {
  @Permit('RUN_SESSIONS')
  @ApiProblems(SessionInUse, NoLiveTurn)
  @Post('invoke')
  invoke(@Body() query: NamedQuery, @IdempotencyKey() key?: string) {
    return { query, key };
  }

  @Permit('VIEW_SESSIONS')
  @ApiProblems()
  @Get('first')
  first() {
    return {};
  }
}

@Module({ controllers: [Routes] })
class AppModule {}

let document: OpenAPIObject;
beforeAll(async () => {
  const app = await NestFactory.create(AppModule, createHttpAdapter(), { preview: true, logger: false });
  document = SwaggerModule.createDocument(app, new DocumentBuilder().setOpenAPIVersion('3.1.0').build());
});

describe('the OpenAPI document of an operation', () => {
  const operation = () => document.paths['/v1/sessions/invoke']!.post!;

  it('lists its errors by status, with those of every operation, all as one Problem', () => {
    const responses = operation().responses as unknown as Record<string, Record<string, unknown>>;
    const codes = Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [status, response['x-codes']]),
    );
    expect(codes).toMatchObject({
      400: ['request_invalid', 'json_malformed', 'idempotency_key_malformed'],
      401: ['unauthenticated'],
      403: ['permission_denied', 'credential_kind', 'share_ended'],
      409: ['session_in_use', 'no_live_turn'],
      413: ['body_too_large'],
      415: ['media_type_unsupported'],
      429: ['rate_limited'],
      500: ['internal'],
    });
    expect(responses['409']).toMatchObject({
      description: '`session_in_use`: Session in use\n\n`no_live_turn`: No live turn',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    });
    expect(document.components!.schemas!['Problem']).toMatchObject({
      required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
    });
  });

  it('lists no errors of a body or a key where it takes none', () => {
    const { responses } = document.paths['/v1/sessions/first']!.get!;
    expect(Object.keys(responses).sort()).toEqual(['400', '401', '403', '429', '500', '503']);
    expect(responses['400']).toMatchObject({ 'x-codes': ['request_invalid'] });
  });

  it('names its Idempotency-Key, its permission and its kind of key', () => {
    expect(operation().parameters).toEqual([
      expect.objectContaining({ name: 'Idempotency-Key', in: 'header', required: false }),
    ]);
    expect(operation()).toMatchObject({ security: [{ user_key: [] }], 'x-permission': 'RUN_SESSIONS' });
  });

  it('shows the bounds of a page through mapped types', () => {
    expect(document.components!.schemas!['NamedQuery']).toMatchObject({
      properties: { limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 }, cursor: { type: 'string' } },
    });
    expect(new NamedQuery().limit).toBe(50);
  });
});
