import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { step } from './step.mjs';

const GENERATOR = 'org.openapitools:openapi-generator-cli';

const OPTIONS = {
  supportsES6: true,
  importFileExtension: '.js',
  modelPropertyNaming: 'original',
  paramNaming: 'original',
  useSingleRequestParameter: true,
  stringEnums: false,
  enumPropertyNaming: 'original',
};

/** Makes the client of an OpenAPI document with OpenAPI Generator (typescript-fetch). */
export async function writeClient(openapi, folder) {
  await ensureJar();
  await rm(folder, { recursive: true, force: true });
  const scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-generate-'));
  const source = path.join(scratch, 'openapi.json');
  await writeFile(source, withoutEventStreams(await readFile(openapi, 'utf8')));
  const properties = Object.entries(OPTIONS).map(([name, value]) => `${name}=${value}`);
  // The wrapper resolves its storage folder against PWD, not against the working directory.
  await step(
    `generate ${folder}`,
    'npx',
    [
      'openapi-generator-cli',
      'generate',
      '-g',
      'typescript-fetch',
      '-i',
      source,
      '-o',
      folder,
      '--additional-properties',
      properties.join(','),
    ],
    { env: { PWD: process.cwd() } },
  );
  await rm(scratch, { recursive: true, force: true });
  for (const left of ['.openapi-generator', '.openapi-generator-ignore', 'docs']) {
    await rm(path.join(folder, left), { recursive: true, force: true });
  }
}

/**
 * The generator takes the first success of an operation for its only one, and cannot read Server-Sent Events: where there
 * is another one, those are left to the hand-written client.
 */
function withoutEventStreams(text) {
  const document = JSON.parse(text);
  for (const operation of Object.values(document.paths).flatMap(Object.values)) {
    const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
    for (const [status, { content }] of successes) {
      if (successes.length > 1 && content?.['text/event-stream']) delete operation.responses[status];
    }
  }
  return JSON.stringify(document);
}

/** The wrapper downloads the jar by itself where it can; elsewhere Maven brings it to the place where it looks. */
async function ensureJar() {
  const { version, storageDir } = JSON.parse(await readFile('openapitools.json', 'utf8'))['generator-cli'];
  const jar = path.join(storageDir, `${version}.jar`);
  if (existsSync(jar)) return;
  await mkdir(storageDir, { recursive: true });
  await step(`fetch OpenAPI Generator ${version}`, 'mvn', [
    '-q',
    '-B',
    'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy',
    `-Dartifact=${GENERATOR}:${version}:jar`,
    `-DoutputDirectory=${storageDir}`,
  ]);
  await rename(path.join(storageDir, `openapi-generator-cli-${version}.jar`), jar);
}
