type Class<T> = new () => T;

/** One kind of job. It is also the `OutboxAddress` of its messages. */
export interface JobDefinition<Payload extends object = object> {
  readonly name: string;
  readonly queue: string;
  /** Describes the payload by class-validator's decorators. Additions to it are optional: old messages wait in the outbox. */
  readonly payload: Class<Payload>;
}

/** The jobs that one queue carries. */
export type JobCatalogue = Record<string, JobDefinition>;

export type PayloadOf<Definition> = Definition extends JobDefinition<infer Payload> ? Payload : never;

/** Declares a job. `name` and `queue` stay as they are once released: messages that wait carry them. */
export function defineJob<Payload extends object>(definition: JobDefinition<Payload>): JobDefinition<Payload> {
  return definition;
}
