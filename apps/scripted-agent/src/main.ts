import { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { ndJsonStream } from '@agentclientprotocol/sdk/unstable';
import { scriptedAgent } from './agent.js';
import { helpText } from './help.js';

const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });

if (values.help) {
  process.stdout.write(helpText());
} else {
  if (process.stdin.isTTY) process.stderr.write('Waiting for an ACP client on stdin; --help tells more.\n');
  const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  scriptedAgent().connect(ndJsonStream(Writable.toWeb(process.stdout), input));
}
