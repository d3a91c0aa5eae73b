import { failureText } from './failure.js';
import { createProgram } from './program.js';

// Whoever reads the output has gone (`holdfast attach … | head`).
process.stdout.on('error', () => process.exit(0));

try {
  await createProgram((code) => (process.exitCode = code)).parseAsync();
} catch (error) {
  process.stderr.write(`${failureText(error)}\n`);
  process.exitCode = 1;
}
