import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { IdempotencyKeyMalformed } from './http.errors.js';

const KEY = /^[\x21-\x7e]{1,255}$/;

const TAKES_KEY = Symbol('takes an Idempotency-Key');

const documentHeader = ApiHeader({
  name: 'Idempotency-Key',
  required: false,
  description:
    'Makes a retry safe: a second call with the same key takes no effect and is answered like the first, also when that was refused with 404, 409 or 422. Kept for a day.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
});

/** The request's `Idempotency-Key`, undefined without one. Throws `idempotency_key_malformed`. */
export const IdempotencyKey = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined => {
    const key = context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key'];
    if (key === undefined) return undefined;
    if (typeof key !== 'string' || !KEY.test(key)) throw IdempotencyKeyMalformed();
    return key;
  },
  [
    (target, method) => {
      if (method === undefined) return;
      Reflect.defineMetadata(TAKES_KEY, true, target, method);
      documentHeader(target, method, Object.getOwnPropertyDescriptor(target, method)!);
    },
  ],
);

/** Whether a parameter of the method is the request's `Idempotency-Key`. */
export function takesIdempotencyKey(target: object, method: string | symbol): boolean {
  return Reflect.hasMetadata(TAKES_KEY, target, method);
}
