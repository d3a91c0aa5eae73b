import { pipeline, type Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BlobCorrupt, BlobNotFound, BlobRangeInvalid, BlobStoreFull, BlobStoreUnavailable } from './blob.errors.js';
import { assertBlobKey, assertBlobPrefix } from './blob-key.rules.js';
import { BlobStore, type BlobEntry, type BlobFacts, type BlobRange } from './blob-store.js';
import { checkStored, readChecked } from './checked-body.js';

export interface S3Config {
  /** Of a server other than AWS: `https://minio.example.com`. */
  endpoint?: string;
  region: string;
  /** The bucket in the path instead of the host's name. */
  forcePathStyle?: boolean;
}

const ATTEMPTS = 4;
const CONNECT_MS = 3_000;
/** Without a byte from the other end. */
const SILENCE_MS = 30_000;
const NO_ROOM = ['InsufficientStorage', 'QuotaExceeded', 'XMinioStorageFull', 'StorageFull'];

/** Blobs as objects of one bucket below a prefix. Credentials come from where every AWS SDK looks for them. */
export class S3BlobStore extends BlobStore implements OnApplicationShutdown {
  private readonly client: S3Client;

  /** `prefix` is `''` or ends with `/`. */
  constructor(
    private readonly bucket: string,
    private readonly prefix: string,
    { endpoint, region, forcePathStyle }: S3Config,
  ) {
    super();
    this.client = new S3Client({
      region,
      ...(endpoint && { endpoint }),
      forcePathStyle: forcePathStyle ?? false,
      maxAttempts: ATTEMPTS,
      // Checksums of our own are sent and compared; servers other than AWS often lack those that the SDK would add.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    });
  }

  async put(key: string, body: Buffer | Readable, facts: BlobFacts): Promise<void> {
    const object = this.objectOf(key);
    const content = await readChecked(key, body, facts);
    const checksum = Buffer.from(facts.sha256, 'hex').toString('base64');
    const command = new PutObjectCommand({
      ...object,
      Body: content,
      ContentType: 'application/octet-stream',
      // The server refuses what arrives damaged; the copy in the metadata is what a later read is held against.
      ChecksumSHA256: checksum,
      Metadata: { sha256: facts.sha256 },
    });
    await this.client.send(command).catch(refuse);
  }

  async get(key: string, range?: BlobRange): Promise<Readable> {
    if (range && (range.start < 0 || range.end < range.start))
      throw BlobRangeInvalid({ key, bytes: await this.size(key) });
    const Range = range && `bytes=${range.start}-${range.end}`;
    const answer = await this.client
      .send(new GetObjectCommand({ ...this.objectOf(key), Range }))
      .catch(async (error) => {
        if (is(error, 'NoSuchKey', 404)) throw BlobNotFound({ key });
        if (is(error, 'InvalidRange', 416)) throw BlobRangeInvalid({ key, bytes: await this.size(key) });
        return refuse(error);
      });
    const body = answer.Body as Readable;
    const { sha256 } = answer.Metadata ?? {};
    const bytes = answer.ContentLength ?? -1;
    if (!sha256) {
      body.destroy();
      throw BlobCorrupt({ key, why: 'the object has no checksum of ours' });
    }
    const total = Number(answer.ContentRange?.split('/')[1] ?? bytes);
    const checked = checkStored(key, { bytes, ...(bytes === total && { sha256 }) });
    body.once('error', (error) =>
      checked.destroy(BlobStoreUnavailable({ why: 'the connection broke' }, { cause: error })),
    );
    return pipeline(body, checked, () => undefined);
  }

  async head(key: string): Promise<{ bytes: number } | undefined> {
    const answer = await this.client.send(new HeadObjectCommand(this.objectOf(key))).catch((error) => {
      if (is(error, 'NotFound', 404)) return undefined;
      return refuse(error);
    });
    return answer && { bytes: answer.ContentLength ?? 0 };
  }

  async delete(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand(this.objectOf(key))).catch((error) => {
      if (!is(error, 'NoSuchKey', 404)) refuse(error);
    });
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    assertBlobPrefix(prefix);
    let ContinuationToken: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket,
        Prefix: this.prefix + prefix,
        ContinuationToken,
      });
      const page = await this.client.send(command).catch(refuse);
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (!Key || Key.endsWith('/')) continue;
        yield { key: Key.slice(this.prefix.length), bytes: Size ?? 0, modified_at: LastModified ?? new Date(0) };
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
  }

  async check(): Promise<void> {
    await this.client.send(new HeadBucketCommand({ Bucket: this.bucket })).catch(refuse);
  }

  onApplicationShutdown(): void {
    this.client.destroy();
  }

  private objectOf(key: string): { Bucket: string; Key: string } {
    assertBlobKey(key);
    return { Bucket: this.bucket, Key: this.prefix + key };
  }

  private async size(key: string): Promise<number> {
    const found = await this.head(key);
    if (!found) throw BlobNotFound({ key });
    return found.bytes;
  }
}

function is(error: unknown, name: string, status: number): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  // A bucket that is not there is a broken store, not a missing blob.
  if (error.name === 'NoSuchBucket') return false;
  return error.name === name || error.$metadata.httpStatusCode === status;
}

/** What the server or the network said, without addresses and credentials. */
function refuse(error: unknown): never {
  const { name, code } = error as Error & { code?: string };
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const why = [code ?? name, status && `status ${status}`].filter(Boolean).join(', ');
  if (NO_ROOM.includes(name) || status === 507) throw BlobStoreFull({ why }, { cause: error });
  throw BlobStoreUnavailable({ why }, { cause: error });
}
