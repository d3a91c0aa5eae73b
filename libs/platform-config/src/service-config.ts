import 'reflect-metadata';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsNumber, IsOptional, IsString, Matches, Max, Min, ValidateBy } from 'class-validator';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

function IsLessThan(other: string): PropertyDecorator {
  return ValidateBy({
    name: 'isLessThan',
    validator: {
      validate: (value, args) => Number(value) < Number((args?.object as Record<string, unknown>)[other]),
      defaultMessage: () => `$property must be less than ${other}`,
    },
  });
}

/** The variables that the api and the workers share. */
export class ServiceConfig {
  /** The PostgreSQL that holds everything. A pooler in transaction mode may stand in front. */
  @Matches(/^postgres(ql)?:\/\//, { message: 'DATABASE_URL must be a postgres:// URL' })
  DATABASE_URL = '';

  /** The same database without a pooler: LISTEN and the queue need a session of their own. */
  @IsOptional()
  @Matches(/^postgres(ql)?:\/\//, { message: 'DATABASE_DIRECT_URL must be a postgres:// URL' })
  DATABASE_DIRECT_URL: string | undefined = undefined;

  /** Moves the job queue and the signals from PostgreSQL to Redis. */
  @IsOptional()
  @Matches(/^rediss?:\/\//, { message: 'REDIS_URL must be a redis:// URL' })
  REDIS_URL: string | undefined = undefined;

  /** Connections that this process holds for its own statements. */
  @Type(() => Number)
  @IsInt()
  @Min(2)
  @Max(200)
  POSTGRES_POOL_SIZE = 10;

  @IsIn(LOG_LEVELS)
  LOG_LEVEL: (typeof LOG_LEVELS)[number] = 'info';

  /** Readable lines for a terminal instead of JSON. */
  @Transform(({ value }) => value === true || value === '1' || value === 'true')
  @IsBoolean()
  LOG_PRETTY = false;

  /** For development: webhooks of subscriptions may go to `http://localhost` and `http://127.0.0.0/8`. */
  @Transform(({ value }) => value === true || value === '1' || value === 'true')
  @IsBoolean()
  WEBHOOK_ALLOW_LOOPBACK = false;

  /** Push targets may be anywhere in private networks, also without TLS. */
  @Transform(({ value }) => value === true || value === '1' || value === 'true')
  @IsBoolean()
  PUSH_ALLOW_PRIVATE = false;

  /** A JSON file with the redaction rules of this installation; the api and the workers need the same. */
  @IsOptional()
  @IsString()
  REDACTION_RULES: string | undefined = undefined;

  /** How long a push target may take to accept a turn, in seconds; never more than half a lease. */
  @Type(() => Number)
  @IsNumber()
  @Min(0.1)
  @Max(60)
  PUSH_ACCEPT_SECONDS = 10;

  /** How long a runner owns a turn after a beat, in seconds. */
  @Type(() => Number)
  @IsNumber()
  @Min(1)
  @Max(600)
  LEASE_SECONDS = 30;

  /** How often a runner beats, in seconds. */
  @Type(() => Number)
  @IsNumber()
  @Min(0.2)
  @Max(100)
  @IsLessThan('WATCHDOG_SECONDS')
  BEAT_SECONDS = 5;

  /** After how long without a beat a runner ends its agents, in seconds; less than the lease. */
  @Type(() => Number)
  @IsNumber()
  @Min(0.5)
  @Max(500)
  @IsLessThan('LEASE_SECONDS')
  WATCHDOG_SECONDS = 20;

  /** How long a turn that was asked to stop may take, in seconds. */
  @Type(() => Number)
  @IsNumber()
  @Min(0.5)
  @Max(60)
  STOPPING_SECONDS = 5;

  /** How many turns of one project may be live at once, before starts are refused. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100_000)
  MAX_LIVE_TURNS_PER_PROJECT = 1000;

  get directUrl(): string {
    return this.DATABASE_DIRECT_URL ?? this.DATABASE_URL;
  }

  /** How far push targets may be, and how long they may take. */
  get push() {
    return {
      reach: this.PUSH_ALLOW_PRIVATE ? ('private' as const) : ('public' as const),
      acceptSeconds: this.PUSH_ACCEPT_SECONDS,
    };
  }

  /** The times of turns and leases, and their limits. */
  get streams() {
    return {
      leaseSeconds: this.LEASE_SECONDS,
      beatSeconds: this.BEAT_SECONDS,
      watchdogSeconds: this.WATCHDOG_SECONDS,
      stoppingSeconds: this.STOPPING_SECONDS,
      maxLiveTurnsPerProject: this.MAX_LIVE_TURNS_PER_PROJECT,
    };
  }
}
