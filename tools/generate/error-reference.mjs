import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Lists every problem code of the OpenAPI document with its status, its title, and the operations that answer it; and
 * those that no operation answers: of streams, whose routes OpenAPI cannot describe, and of requests that reach none.
 */
export async function writeErrorReference(openapi, file) {
  const codes = new Map();
  for (const operations of Object.values(openapi.paths)) {
    for (const operation of Object.values(operations)) {
      for (const [status, response] of Object.entries(operation.responses ?? {})) {
        for (const line of response['x-codes'] ? response.description.split('\n\n') : []) {
          const [, code, title] = /^`(\w+)`: (.*)$/.exec(line);
          const entry = codes.get(code) ?? { status, title, operations: new Set() };
          entry.operations.add(operation.operationId);
          codes.set(code, entry);
        }
      }
    }
  }
  for (const { code, status, title, where } of await errorsBesideOperations()) {
    const entry = codes.get(code) ?? { status, title, operations: new Set() };
    entry.operations.add(where);
    codes.set(code, entry);
  }
  const rows = [...codes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { status, title, operations }]) => {
      return `| \`${code}\` | ${status} | ${title} | ${inFewWords(operations, openapi).join(', ')} |`;
    });
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(
    file,
    `# Problem codes

Generated from the OpenAPI document, the errors of streams and those of HTTP itself by \`npm run generate\`. Errors are problem details (RFC 9457); \`code\` is stable.

| code | status | title | answered by |
|---|---|---|---|
${rows.join('\n')}
`,
  );
  console.log(`write ${file} … ${rows.length} codes`);
}

/** Sorted, with those that any operation answers, or any that takes a body, as one. */
function inFewWords(answeredBy, openapi) {
  const all = Object.values(openapi.paths).flatMap(Object.values);
  const kinds = [
    ['every operation', all],
    ['every operation with a body', all.filter(({ requestBody }) => requestBody)],
  ];
  for (const [words, operations] of kinds) {
    const ids = operations.map(({ operationId }) => operationId);
    if (ids.every((id) => answeredBy.has(id))) {
      return [words, ...[...answeredBy].filter((one) => !ids.includes(one)).sort()];
    }
  }
  return [...answeredBy].sort();
}

/** Read from what was just built, so imported no sooner. */
async function errorsBesideOperations() {
  const [streams, { EventTypeReserved }, http] = await Promise.all([
    import('@holdfast/durable-streams'),
    import('@holdfast/sessions-streams'),
    import('@holdfast/platform-http'),
  ]);
  const ofStreams = Object.values(streams).filter(
    (value) => typeof value === 'function' && 'code' in value && 'kind' in value,
  );
  const answeredBy = {
    '`/v1/stream/…`': [
      ...ofStreams,
      EventTypeReserved,
      http.BodyTooLarge,
      http.TooManyBodies,
      http.DatabaseUnavailable,
    ],
    'any path': [http.MethodNotAllowed, http.RequestMalformed, http.UrlTooLong],
    'any other path': [http.RouteNotFound],
    '`/health/ready`': [http.NotReady],
  };
  return Object.entries(answeredBy).flatMap(([where, errors]) =>
    errors.map((error) => ({ code: error.code, title: error.title, status: String(http.statusOf(error)), where })),
  );
}
