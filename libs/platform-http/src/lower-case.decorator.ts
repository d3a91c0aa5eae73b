import { Transform } from 'class-transformer';

/** Takes a UUID in the form that PostgreSQL gives back: what is named after it is found again. */
export function LowerCase(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value));
}
