import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError, type ValidatorOptions } from 'class-validator';
import type { JobDefinition } from './job-definition.js';

/** Refuses a payload that is not what the job declares, and fields that it does not know: the writer has a mistake. */
export function checkPayload<Payload extends object>(job: JobDefinition<Payload>, payload: Payload): void {
  parse(job, payload, { whitelist: true, forbidNonWhitelisted: true });
}

/** The payload as an instance of its class. Drops fields that it does not know: the writer may be a newer release. */
export function readPayload<Payload extends object>(job: JobDefinition<Payload>, payload: object): Payload {
  return parse(job, payload, { whitelist: true });
}

function parse<Payload extends object>(
  job: JobDefinition<Payload>,
  payload: object,
  options: ValidatorOptions,
): Payload {
  const instance = plainToInstance(job.payload, payload);
  const errors = validateSync(instance, options);
  if (errors.length === 0) return instance;
  throw new Error(
    `invalid payload of job "${job.name}" in queue "${job.queue}": ${errors.flatMap(reasons).join('; ')}`,
  );
}

function reasons(error: ValidationError): string[] {
  return [...Object.values(error.constraints ?? {}), ...(error.children ?? []).flatMap(reasons)];
}
