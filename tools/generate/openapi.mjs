import { readFile } from 'node:fs/promises';
import { step } from './step.mjs';

/** Writes the OpenAPI document of the built api, which needs no database, and returns it. */
export async function writeOpenApi(file) {
  await step(`write ${file}`, process.execPath, ['apps/api/dist/commands/write-openapi.js', file]);
  return JSON.parse(await readFile(file, 'utf8'));
}
