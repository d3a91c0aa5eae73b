import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { principalOf } from './request-authentication.service.js';

/** The `Principal` that calls. Not for public routes. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext) =>
  principalOf(context.switchToHttp().getRequest<object>()),
);
