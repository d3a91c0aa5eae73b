import type { TestProject } from 'vitest/node';
import { startStack, type Service } from '../test/stack.js';

export interface Server {
  url: string;
  apiKey: string | undefined;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** By the names that main.mjs gives the runs of the suite. */
    servers: Record<string, Server>;
    /** The name of the one that this run is against. */
    server: string;
  }
}

/** Vitest's global setup; what it returns ends everything again. */
export default async function startServers(project: TestProject) {
  const stack = await startStack({
    redis: true,
    apis: 2,
    runner: false,
    env: {
      LOG_LEVEL: 'error',
      RATE_LIMIT_PER_MINUTE: '1000000',
      // Long enough for a test to append meanwhile on a busy machine; some tests wait for its end.
      LONG_POLL_SECONDS: '2',
      // The suite receives webhooks on 127.0.0.1.
      WEBHOOK_ALLOW_LOOPBACK: 'true',
    },
  });
  const apiKey = stack.keys.api_key;
  project.provide('servers', {
    'one api': { url: stack.apis[0]!.url, apiKey },
    'two apis': { url: stack.url, apiKey },
  });
  return async () => {
    await stack.stop();
    for (const service of [...stack.apis, stack.workers]) process.stdout.write(errorsOf(service));
  };
}

/** What a process said beyond that it is ready: at LOG_LEVEL `error`, what went wrong in it. */
function errorsOf(service: Service): string {
  return service.output().replace('workers ready\n', '');
}
