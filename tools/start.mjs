// `npm start`: brings Holdfast up on this machine. Runs before anything is installed, so it uses only Node itself.
import { requireNode } from './start/node-version.mjs';

requireNode();
// Loaded only now: an old Node could not even parse it.
await import('./start/main.mjs');
