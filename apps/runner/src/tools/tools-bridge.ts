/**
 * The server of the Model Context Protocol that an agent starts for its tools: it says its turn's secret to the runner's
 * socket, which it is told as its argument, and from then on only carries bytes between that and its standard streams.
 *
 * It runs as a child of the agent, with nothing else of the runner's, and imports nothing but Node.
 */
import { createConnection } from 'node:net';

const socketPath = process.argv[2] ?? '';
// eslint-disable-next-line no-restricted-syntax -- It is a program of its own, and this is all of its configuration.
const secret = process.env['HOLDFAST_TOOLS_SECRET'] ?? '';

const socket = createConnection(socketPath, () => {
  socket.write(`${secret}\n`);
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
});
socket.on('error', (error) => {
  process.stderr.write(`The turn that these tools are of is over, or its runner is gone: ${error.message}\n`);
  process.exitCode = 1;
});
// Whatever closes, the agent shall see that the server is gone.
socket.once('close', () => process.exit());
process.stdout.on('error', () => process.exit());
