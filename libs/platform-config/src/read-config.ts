import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';

/** The environment does not hold what the process needs. The message lists every problem at once. */
export class ConfigInvalid extends Error {
  override name = 'ConfigInvalid';
}

/**
 * Reads a class of settings whose fields are named like the variables that fill them. Empty variables count as
 * absent; fields keep their initial value as the default. Throws ConfigInvalid.
 */
export function readConfig<T extends object>(Config: new () => T, environment: Record<string, string | undefined>): T {
  const names = Object.keys(new Config());
  const given = Object.fromEntries(
    names.flatMap((name) => {
      const value = environment[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const problems = validateSync(config, { forbidUnknownValues: false }).flatMap((error) =>
    Object.values(error.constraints ?? {}).map((message) => `  ${message}`),
  );
  if (problems.length) throw new ConfigInvalid(`The configuration is not valid:\n${problems.join('\n')}`);
  return config;
}
