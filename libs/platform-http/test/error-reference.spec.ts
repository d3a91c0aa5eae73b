import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as errors from '../src/http.errors.js';

const reference = readFileSync(path.resolve(__dirname, '../../../docs/reference/errors.md'), 'utf8');
const codes = Object.values(errors).flatMap((error) => ('code' in error ? [error.code] : []));

describe('docs/reference/errors.md', () => {
  it.each(codes)('has %s, which HTTP itself is refused with', (code) => {
    expect(reference).toContain(`| \`${code}\` |`);
  });
});
