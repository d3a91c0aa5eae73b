#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main);
} else {
  console.error('holdfast is not built yet. Run `npm start` (or `npm run build`) in its repository once.');
  process.exitCode = 1;
}
