// npm run generate: remakes everything in the repository that is generated. CI fails when that changes a file.
import { step } from './generate/step.mjs';
import { writeClient } from './generate/client.mjs';
import { writeErrorReference } from './generate/error-reference.mjs';
import { writeOpenApi } from './generate/openapi.mjs';
import { writeSchemaDump } from './generate/schema-dump.mjs';

if (process.argv.includes('--help')) {
  console.log(`npm run generate

Remakes, from the code as it stands:
  libs/client/openapi.json       the OpenAPI document of the api
  libs/client/src/generated/     the client, by OpenAPI Generator (needs Java 11 or newer)
  docs/reference/schema.sql      the tables, as the migrations leave them
  docs/reference/errors.md       every problem code, with the operations that answer it`);
  process.exit(0);
}

await step('build the api', 'npx', ['nx', 'run-many', '-t', 'build', '-p', '@holdfast/api']);
const openapi = await writeOpenApi('libs/client/openapi.json');
await writeErrorReference(openapi, 'docs/reference/errors.md');
await writeSchemaDump('docs/reference/schema.sql');
await writeClient('libs/client/openapi.json', 'libs/client/src/generated');
