// The reference server in a process of its own: in memory, or with its files in the folder that is the first argument.
import { DurableStreamTestServer } from '@durable-streams/server';

const [dataDir] = process.argv.slice(2);
const server = new DurableStreamTestServer({ port: 0, host: '127.0.0.1', ...(dataDir && { dataDir }) });
process.send({ port: Number(new URL(await server.start()).port) });
