import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { readConfig, ServiceConfig } from '@holdfast/platform-config';

export class WorkersConfig extends ServiceConfig {
  /** Where `/health/live`, `/health/ready` and `/metrics` are served. Without it the workers listen on nothing. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(65_535)
  HEALTH_PORT: number | undefined = undefined;

  @IsString()
  HEALTH_HOST = '127.0.0.1';
}

export const workersConfig = () => readConfig(WorkersConfig, process.env);
