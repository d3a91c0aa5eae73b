import { failureExitCode, failureText } from './failure.js';
import { createProgram } from './program.js';

// Whoever reads the output has gone (`holdfast attach … | head`).
process.stdout.on('error', () => process.exit());
// What is told on the way is no reason to leave a transfer unfinished.
process.stderr.on('error', () => undefined);

try {
  await createProgram((code) => (process.exitCode = code)).parseAsync();
} catch (error) {
  process.exitCode = failureExitCode(error);
  process.stderr.write(`${failureText(error)}\n`);
}
