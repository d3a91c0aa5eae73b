import { Transform } from 'class-transformer';
import { IsBoolean, IsOptional, IsUrl, Matches, ValidateBy } from 'class-validator';
import { ServiceConfig } from './service-config.js';

const KEY_BYTES = 32;

function IsKeyRing(): PropertyDecorator {
  return ValidateBy({
    name: 'isKeyRing',
    validator: {
      validate: (value) => typeof value === 'string' && keysOf(value).every((key) => key.length === KEY_BYTES),
      // Never the value: it is a secret.
      defaultMessage: () =>
        '$property must be base64 of 32 random bytes (openssl rand -base64 32), several joined by ","',
    },
  });
}

/** What a server needs that keeps blobs. Its commands do without. */
export class BlobServiceConfig extends ServiceConfig {
  /**
   * Where blobs are kept, the same for every process: `file:///folder` (one machine, or a shared file system) or
   * `s3://bucket/prefix`, with credentials from where every AWS SDK looks for them.
   */
  @Matches(/^(file:\/\/\/[^?#]+|s3:\/\/[a-z0-9][a-z0-9.-]+(\/[A-Za-z0-9._=/-]*)?)$/, {
    message: 'BLOBS_URL must be file:///folder or s3://bucket/prefix',
  })
  BLOBS_URL = '';

  /** An S3 server other than AWS. */
  @IsOptional()
  @IsUrl(
    { protocols: ['http', 'https'], require_protocol: true, require_tld: false, disallow_auth: true },
    { message: 'S3_ENDPOINT must be an http:// or https:// URL without user' },
  )
  S3_ENDPOINT: string | undefined = undefined;

  @Matches(/^[a-z0-9-]{1,64}$/, { message: 'S3_REGION must be the name of a region' })
  S3_REGION = 'us-east-1';

  /** The bucket in the path instead of the host's name, as most servers other than AWS want it. */
  @Transform(({ value }) => value === true || value === '1' || value === 'true')
  @IsBoolean()
  S3_FORCE_PATH_STYLE = false;

  /**
   * Keys for blobs at rest, base64 of 32 bytes each, joined by `,`: the first encrypts, all decrypt. Set from the first
   * start on: what was kept without is not read with them.
   */
  @IsOptional()
  @IsKeyRing()
  BLOB_ENCRYPTION_KEYS: string | undefined = undefined;

  get blobs() {
    return {
      url: this.BLOBS_URL,
      s3: {
        region: this.S3_REGION,
        forcePathStyle: this.S3_FORCE_PATH_STYLE,
        ...(this.S3_ENDPOINT && { endpoint: this.S3_ENDPOINT }),
      },
      encryptionKeys: this.BLOB_ENCRYPTION_KEYS ? keysOf(this.BLOB_ENCRYPTION_KEYS) : [],
    };
  }
}

function keysOf(ring: string): Buffer[] {
  return ring.split(',').map((key) => Buffer.from(key.trim(), 'base64'));
}
