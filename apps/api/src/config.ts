import { Type } from 'class-transformer';
import { IsInt, IsNumber, IsOptional, IsString, IsUrl, Max, Min } from 'class-validator';
import { BlobServiceConfig, readConfig, ServiceConfig } from '@holdfast/platform-config';

export class ApiConfig extends BlobServiceConfig {
  @IsString()
  HOST = '127.0.0.1';

  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(65_535)
  PORT = 4300;

  /** Where callers reach the api, for the URLs that it gives away; as each of them names it when absent. */
  @IsOptional()
  @IsUrl(
    {
      protocols: ['http', 'https'],
      require_protocol: true,
      require_tld: false,
      allow_query_components: false,
      allow_fragments: false,
      disallow_auth: true,
    },
    { message: 'PUBLIC_URL must be an http:// or https:// URL without user, query and fragment' },
  )
  PUBLIC_URL: string | undefined = undefined;

  /** Requests a minute that one key may make of one api process. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  RATE_LIMIT_PER_MINUTE = 60_000;

  /** How long a long-poll waits for something new, in seconds. */
  @Type(() => Number)
  @IsNumber()
  @Min(0.1)
  @Max(300)
  LONG_POLL_SECONDS = 20;

  /** Memory for what was read or written lately of all logs, in MiB. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(65_536)
  LOG_CACHE_MIB = 64;

  /** Live views (event streams and long-polls) that this process serves at a time. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  MAX_VIEWERS = 10_000;

  /** How large the native transcript of one conversation may be, in MiB. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(65_536)
  NATIVE_TRANSCRIPT_MAX_MIB = 512;

  get nativeTranscripts() {
    return { maxConversationBytes: this.NATIVE_TRANSCRIPT_MAX_MIB * 1024 * 1024 };
  }

  get log() {
    return {
      cacheBytes: this.LOG_CACHE_MIB * 1024 * 1024,
      allowLoopbackWebhooks: this.WEBHOOK_ALLOW_LOOPBACK,
    };
  }

  get logOverHttp() {
    return {
      longPollMs: this.LONG_POLL_SECONDS * 1000,
      maxViewers: this.MAX_VIEWERS,
      publicUrl: this.PUBLIC_URL,
    };
  }
}

export const apiConfig = () => readConfig(ApiConfig, process.env);

/** What the commands need, without what only the server needs. */
export const serviceConfig = () => readConfig(ServiceConfig, process.env);

/** Variables that `bootstrap` takes: keys that exist, to be kept when they still open something. */
export const existingKeys = () => ({
  api_key: process.env['HOLDFAST_API_KEY'],
  runner_key: process.env['HOLDFAST_RUNNER_KEY'],
});
