import { Type } from 'class-transformer';
import { IsInt, IsString, Max, Min } from 'class-validator';
import { readConfig, ServiceConfig } from '@holdfast/platform-config';

export class ApiConfig extends ServiceConfig {
  @IsString()
  HOST = '127.0.0.1';

  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(65_535)
  PORT = 4300;

  /** Requests a minute that one key may make of one api process. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  RATE_LIMIT_PER_MINUTE = 6_000;
}

export const apiConfig = () => readConfig(ApiConfig, process.env);

/** What the commands need, without what only the server needs. */
export const serviceConfig = () => readConfig(ServiceConfig, process.env);

/** Variables that `bootstrap` takes: keys that exist, to be kept when they still open something. */
export const existingKeys = () => ({
  api_key: process.env['HOLDFAST_API_KEY'],
  runner_key: process.env['HOLDFAST_RUNNER_KEY'],
});
