import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { BlobServiceConfig, readConfig } from '@holdfast/platform-config';

export class WorkersConfig extends BlobServiceConfig {
  /** Where `/health/live`, `/health/ready` and `/metrics` are served. Without it the workers listen on nothing. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(65_535)
  HEALTH_PORT: number | undefined = undefined;

  @IsString()
  HEALTH_HOST = '127.0.0.1';

  /** Days after which the messages of every log are trimmed, by whole segments. Without it they are kept for ever. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(36_500)
  LOG_RETENTION_DAYS: number | undefined = undefined;

  /** Days for which the delivery of a turn is kept after the turn has ended. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(36_500)
  DELIVERY_RETENTION_DAYS = 30;
}

export const workersConfig = () => readConfig(WorkersConfig, process.env);
