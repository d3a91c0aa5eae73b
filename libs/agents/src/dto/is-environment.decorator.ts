import { ValidateBy } from 'class-validator';

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const MAX_VARIABLES = 64;
const MAX_BYTES = 32_768;

/** Names and values count together, in UTF-8. */
export const ENVIRONMENT_RULE =
  `at most ${MAX_VARIABLES} variables and ${MAX_BYTES} bytes in all; names are letters, digits and "_", ` +
  `at most 128 and not beginning with a digit; values are text`;

export function IsEnvironment(): PropertyDecorator {
  return ValidateBy({
    name: 'isEnvironment',
    validator: { validate: isEnvironment, defaultMessage: () => `environment must hold ${ENVIRONMENT_RULE}` },
  });
}

function isEnvironment(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  if (entries.length > MAX_VARIABLES) return false;
  if (!entries.every(([name, text]) => NAME.test(name) && typeof text === 'string')) return false;
  return entries.flat().reduce((bytes, text) => bytes + Buffer.byteLength(text), 0) <= MAX_BYTES;
}
