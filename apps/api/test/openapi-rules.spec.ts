import type { INestApplication } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, NestFactory } from '@nestjs/core';
import { createHttpAdapter } from '@holdfast/platform-http';
import { ApiModule } from '../src/api.module.js';
import { ApiConfig } from '../src/config.js';
import { buildOpenApiDocument } from '../src/openapi.js';

/** The verbs of docs/glossary.md. A new one is a decision: add it there too. */
// prettier-ignore
const VERBS = [
  'answer', 'append', 'archive', 'beat', 'cancel', 'claim', 'complete', 'convert', 'create', 'delete', 'detach',
  'edit', 'fetch', 'finish', 'invoke', 'join', 'kill', 'leave', 'merge', 'open', 'query', 'raise', 'read',
  'register', 'reorder', 'request', 'resolve', 'respond', 'revoke', 'rotate', 'run', 'send', 'set',
  'unarchive', 'wait', 'watch', 'withdraw',
];

/** Which tag the operations under a path have; the first that fits counts. */
const DOMAINS: [path: string, tag: string][] = [
  // Of runners and of users alike.
  ['/v1/admin/sessions/transcripts/native', 'session-native-transcripts'],
  ['/v1/admin/sessions/', 'session-runners'],
  ['/v1/stream/', 'session-log'],
  // It reads logs, and no generated operation can: what is tagged session-streams is what clients call.
  ['/v1/sessions/streams/watch', 'session-log'],
  ['/v1/sessions/streams/', 'session-streams'],
  ['/v1/sessions/interactions/', 'session-interactions'],
  ['/v1/sessions/transcripts/', 'session-transcripts'],
  ['/v1/sessions/tasks', 'session-tasks'],
  ['/v1/sessions/participants/', 'session-participants'],
  ['/v1/sessions/shares', 'session-shares'],
  ['/v1/sessions/', 'sessions'],
  ['/v1/agents/', 'agents'],
  ['/v1/project/', 'project'],
  ['/v1/triggers/', 'triggers'],
];

const COMMON_CODES: Record<string, string[]> = {
  400: ['request_invalid'],
  401: ['unauthenticated'],
  403: ['permission_denied', 'credential_kind'],
  429: ['rate_limited'],
  500: ['internal'],
};

interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
}
interface Body {
  description?: string;
  content?: Record<string, { schema: Schema }>;
  'x-codes'?: string[];
}
interface Operation {
  method: string;
  path: string;
  operationId: string;
  tags: string[];
  security?: Record<string, unknown>[];
  parameters: { name: string; in: string; description?: string }[];
  requestBody?: Body;
  responses: Record<string, Body>;
}

let operations: Operation[];
let schemas: Record<string, Schema>;
let methods: string[];

beforeAll(async () => {
  const app = await NestFactory.create(ApiModule.forRoot(new ApiConfig()), createHttpAdapter(), {
    preview: true,
    logger: false,
  });
  const document = buildOpenApiDocument(app);
  operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...(operation as Operation), method, path })),
  );
  schemas = document.components!.schemas as Record<string, Schema>;
  methods = controllerMethods(app);
});

function controllerMethods(app: INestApplication): string[] {
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => new MetadataScanner().getAllMethodNames(metatype!.prototype));
}

/** Fails with everything that breaks a rule, not only the first. */
const expectNone = (broken: unknown[]) => expect(broken).toEqual([]);
const isSnakeCase = (name: string) => /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name);
const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const isOfSessions = ({ tags }: Operation) => tags[0]!.startsWith('session');
const properties = () =>
  Object.entries(schemas).flatMap(([schema, { properties = {} }]) =>
    Object.entries(properties).map(([name, field]) => ({ where: `${schema}.${name}`, name, field })),
  );

/** The names of all schemas that a part of the document refers to, also through others. */
function schemasIn(part: unknown, found = new Set<string>()): Set<string> {
  for (const [, name] of JSON.stringify(part ?? null).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    if (found.has(name!)) continue;
    found.add(name!);
    schemasIn(schemas[name!], found);
  }
  return found;
}

describe('operation ids', () => {
  it('exist', () => expect(operations.length).toBeGreaterThan(15));

  it('are snake_case and begin with a verb of the glossary', () => {
    expectNone(operations.map(({ operationId }) => operationId).filter((id) => !isSnakeCase(id)));
    expectNone(operations.map(({ operationId }) => operationId).filter((id) => !VERBS.includes(id.split('_')[0]!)));
  });

  it('are unique', () => {
    const ids = operations.map(({ operationId }) => operationId);
    expectNone(ids.filter((id, index) => ids.indexOf(id) !== index));
  });

  it('are the names of the methods that serve them', () => {
    const names = new Set(methods.map(snakeCase));
    expectNone(operations.map(({ operationId }) => operationId).filter((id) => !names.has(id)));
  });

  it('name the session after the verb where they are of a session, and nowhere else', () => {
    const namesSession = ({ operationId }: Operation) => /^[a-z]+(_for)?_sessions?(_|$)/.test(operationId);
    expectNone(operations.filter((operation) => namesSession(operation) !== isOfSessions(operation)));
  });
});

describe('operations', () => {
  it('have one tag, the one of their domain', () => {
    const domainOf = (path: string) => DOMAINS.find(([prefix]) => path.startsWith(prefix))?.[1];
    expectNone(operations.filter(({ path, tags }) => tags.length !== 1 || tags[0] !== domainOf(path)));
  });

  it("require a credential, and those of runners the key of a runner or a turn's credential", () => {
    const schemesOf: Record<string, string[]> = {
      'session-runners': ['runner_key', 'turn_credential'],
      'session-native-transcripts': ['user_key', 'turn_credential'],
    };
    const schemes = ({ tags }: Operation) => schemesOf[tags[0]!] ?? ['user_key', 'share_credential'];
    const taken = ({ security = [] }: Operation) => security.flatMap((way) => Object.keys(way));
    expectNone(
      operations.filter(
        (operation) =>
          taken(operation).length === 0 || !taken(operation).every((scheme) => schemes(operation).includes(scheme)),
      ),
    );
  });

  it('A4: take the key of a runner for nothing that is written for a turn', () => {
    const withRunnerKey = operations.filter(({ security = [] }) => security.some((way) => 'runner_key' in way));
    expect(withRunnerKey.map(({ operationId }) => operationId).sort()).toEqual([
      'beat_session_turns',
      'claim_session_turns',
      'register_session_runner',
    ]);
  });

  it('document the errors that any operation may answer', () => {
    for (const { operationId, responses } of operations) {
      for (const [status, codes] of Object.entries(COMMON_CODES)) {
        const documented = responses[status]?.['x-codes'] ?? [];
        expect([operationId, documented]).toEqual([operationId, expect.arrayContaining(codes)]);
      }
    }
  });

  it('answer every error as a problem document with its codes', () => {
    const errors = operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses)
        .filter(([status]) => Number(status) >= 400)
        .map(([status, body]) => ({ operationId, status, body })),
    );
    const isProblem = ({ body }: (typeof errors)[number]) =>
      Object.keys(body.content ?? {}).join() === 'application/problem+json' &&
      body.content!['application/problem+json']!.schema.$ref === '#/components/schemas/Problem' &&
      (body['x-codes'] ?? []).length > 0;
    expectNone(errors.filter((error) => !isProblem(error)));
  });

  it('say what every answer and parameter is', () => {
    const answers = operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).map(([status, { description }]) => [operationId, status, description]),
    );
    const parameters = operations.flatMap(({ operationId, parameters }) =>
      parameters.map(({ name, description }) => [operationId, name, description]),
    );
    expectNone([...answers, ...parameters].filter(([, , description]) => !description?.trim()));
  });
});

describe('lists', () => {
  const lists = () => operations.filter(({ operationId }) => operationId.startsWith('query_'));

  it('are asked for with POST …/query', () => {
    expectNone(
      operations.filter((op) => lists().includes(op) !== (op.method === 'post' && op.path.endsWith('/query'))),
    );
  });

  it('take a cursor and a limit, and answer data and next_cursor', () => {
    for (const { operationId, requestBody, responses } of lists()) {
      const of = (body?: Body) => schemas[body?.content?.['application/json']?.schema.$ref?.split('/').pop() ?? ''];
      expect([operationId, Object.keys(of(requestBody)?.properties ?? {})]).toEqual([
        operationId,
        expect.arrayContaining(['cursor', 'limit']),
      ]);
      const page = of(responses['200']);
      expect(page?.required).toEqual(expect.arrayContaining(['data', 'next_cursor']));
      expect(page?.properties?.['data']).toMatchObject({ type: 'array', items: { $ref: expect.any(String) } });
    }
  });
});

describe('schemas', () => {
  it('of sessions are called Session…, and the others are not', () => {
    const ofSessions = new Set(operations.filter(isOfSessions).flatMap((operation) => [...schemasIn(operation)]));
    const ofProblems = schemasIn({ $ref: '#/components/schemas/Problem' });
    const misnamed = Object.keys(schemas)
      .filter((name) => !ofProblems.has(name))
      .filter((name) => name.startsWith('Session') !== ofSessions.has(name));
    expectNone(misnamed);
  });

  it('are nouns without a suffix of their kind', () => {
    expectNone(Object.keys(schemas).filter((name) => /(Dto|Entity|Model)$/.test(name)));
  });

  it('have fields in snake_case, with times in ISO 8601', () => {
    expectNone(properties().filter(({ name }) => !isSnakeCase(name)));
    expectNone(properties().filter(({ name, field }) => name.endsWith('_at') && field.format !== 'date-time'));
  });

  it('describe every field in other words than its name', () => {
    const filler = new Set(['a', 'an', 'the', 'of', 'this', 'its', 'id', 'identifier']);
    const wordsOf = (text: string) => text.toLowerCase().match(/[a-z]+/g) ?? [];
    const isEcho = (name: string, description: string) => {
      const known = new Set(wordsOf(name.replaceAll('_', ' ')));
      return wordsOf(description).every((word) => filler.has(word) || known.has(word));
    };
    const silent = properties().filter(({ name, field }) => isEcho(name, field.description ?? ''));
    expectNone(silent.map(({ where, field }) => `${where}: ${field.description}`));
  });
});
