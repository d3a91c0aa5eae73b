import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * Lists every problem code of the OpenAPI document with its status, its title, and the operations that answer it; and
 * those of streams, whose routes OpenAPI cannot describe.
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
  for (const { code, status, title } of await errorsOfStreams()) {
    const entry = codes.get(code) ?? { status, title, operations: new Set() };
    entry.operations.add('`/v1/stream/…`');
    codes.set(code, entry);
  }
  const total = Object.values(openapi.paths).flatMap(Object.values).length;
  const rows = [...codes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { status, title, operations }]) => {
      const where = operations.size >= total ? 'every operation' : [...operations].sort().join(', ');
      return `| \`${code}\` | ${status} | ${title} | ${where} |`;
    });
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(
    file,
    `# Problem codes

Generated from the OpenAPI document and the errors of streams by \`npm run generate\`. Errors are problem details (RFC 9457); \`code\` is stable.

| code | status | title | answered by |
|---|---|---|---|
${rows.join('\n')}
`,
  );
  console.log(`write ${file} … ${rows.length} codes`);
}

/** Read from what was just built, so imported no sooner. */
async function errorsOfStreams() {
  const [streams, { EventTypeReserved }, { statusOf }] = await Promise.all([
    import('@holdfast/durable-streams'),
    import('@holdfast/sessions-streams'),
    import('@holdfast/platform-http'),
  ]);
  return [...Object.values(streams), EventTypeReserved]
    .filter((value) => typeof value === 'function' && 'code' in value && 'kind' in value)
    .map((error) => ({ code: error.code, title: error.title, status: String(statusOf(error)) }));
}
