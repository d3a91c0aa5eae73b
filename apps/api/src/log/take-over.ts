import type { FastifyReply } from 'fastify';

/** From here on the response is ours alone; what hooks have put into its head stays. */
export function takeOver(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
  reply.hijack();
}
