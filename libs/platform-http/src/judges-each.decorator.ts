import { RouteConfig } from '@nestjs/platform-fastify';

/** The body's field whose entries the route judges, where it says so. */
export interface JudgedEntries {
  judgesEach?: string;
}

/**
 * Leaves it to the route what the entries of the body's `field` hold, where one that cannot be stored, or is nested too
 * deep, must not spoil the others. What the route takes of an entry it has to check (`isStorableText`).
 */
export function JudgesEach(field: string): MethodDecorator {
  return RouteConfig({ judgesEach: field } satisfies JudgedEntries);
}
