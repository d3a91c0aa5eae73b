import { inject } from 'vitest';

// The suite knows nothing of credentials, and sends everything by the global fetch. Tokens of its own it keeps.
const { apiKey } = inject('servers')[inject('server')]!;
const plainFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
  if (apiKey && !headers.has('Authorization')) headers.set('Authorization', `Bearer ${apiKey}`);
  return plainFetch(input, { ...init, headers });
};
