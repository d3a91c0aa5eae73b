import { randomBytes } from 'node:crypto';
import { BlobServiceConfig, readConfig } from '../src/index.js';

const DATABASE_URL = 'postgres://u:p@localhost:5432/holdfast';
const read = (environment: Record<string, string>) =>
  readConfig(BlobServiceConfig, { DATABASE_URL, BLOBS_URL: 'file:///var/lib/holdfast', ...environment });

describe('the configuration of blobs', () => {
  it('needs a place, and nothing else', () => {
    expect(read({}).blobs).toEqual({
      url: 'file:///var/lib/holdfast',
      s3: { region: 'us-east-1', forcePathStyle: false },
      encryptionKeys: [],
    });
    expect(() => read({ BLOBS_URL: '' })).toThrow('BLOBS_URL must be');
  });

  it('takes an S3 server other than AWS', () => {
    const config = read({
      BLOBS_URL: 's3://bucket/some/prefix',
      S3_ENDPOINT: 'http://minio:9000',
      S3_REGION: 'eu-central-1',
      S3_FORCE_PATH_STYLE: 'true',
    });
    expect(config.blobs).toMatchObject({
      url: 's3://bucket/some/prefix',
      s3: { endpoint: 'http://minio:9000', region: 'eu-central-1', forcePathStyle: true },
    });
  });

  it.each(['blobs', '/var/lib', 'file://host/folder', 'https://bucket', 's3://', 's3://Bucket', 's3://b/a?x=1'])(
    'does not take %s for a place',
    (url) => expect(() => read({ BLOBS_URL: url })).toThrow('BLOBS_URL must be'),
  );

  it('takes several keys', () => {
    const keys = [randomBytes(32), randomBytes(32)];
    const ring = keys.map((key) => key.toString('base64')).join(', ');
    expect(read({ BLOB_ENCRYPTION_KEYS: ring }).blobs.encryptionKeys).toEqual(keys);
  });

  it('refuses a key of another length, and does not print it', () => {
    const short = randomBytes(31).toString('base64');
    const refusal = () => read({ BLOB_ENCRYPTION_KEYS: `${randomBytes(32).toString('base64')},${short}` });
    expect(refusal).toThrow('BLOB_ENCRYPTION_KEYS must be base64 of 32 random bytes');
    expect(refusal).not.toThrow(short);
  });
});
