import { expectPrograms } from '../public-client/expectations.js';
import { programs } from '../public-client/programs.js';
import { startStack, type Stack } from './stack.js';

const backends = process.env['HOLDFAST_TEST_REDIS_URL'] ? ['PostgreSQL alone', 'Redis'] : ['PostgreSQL alone'];

describe.each(backends)('the public client in Node, on two api processes, on %s', (backend) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ redis: backend === 'Redis', apis: 2, runner: false });
  }, 60_000);
  afterAll(() => stack?.stop(), 30_000);

  expectPrograms((name, live) => programs[name]({ url: stack.url, apiKey: stack.keys.api_key }, live));
});
