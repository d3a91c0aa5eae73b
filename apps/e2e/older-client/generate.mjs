// node generate.mjs FOLDER: makes an older client there, as `npm run generate` makes that of today.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeClient } from '../../../tools/generate/client.mjs';
import { olderDocument } from './older-document.mjs';

const folder = path.resolve(process.argv[2]);
process.chdir(path.resolve(import.meta.dirname, '../../..'));
const document = path.join(path.dirname(folder), 'older-openapi.json');
await writeFile(document, olderDocument(await readFile('libs/client/openapi.json', 'utf8')));
await writeClient(document, folder);
