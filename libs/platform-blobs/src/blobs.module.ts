import { fileURLToPath } from 'node:url';
import { Module, type DynamicModule } from '@nestjs/common';
import { BlobStore } from './blob-store.js';
import { EncryptedBlobStore } from './encrypted-blob-store.js';
import { FolderBlobStore } from './folder-blob-store.js';
import type { S3Config } from './s3-blob-store.js';

export interface BlobsConfig {
  /** `file:///folder` or `s3://bucket/prefix`. */
  url: string;
  s3: S3Config;
  /** 32 bytes each; the first encrypts, all decrypt. Without any, blobs are kept as they are. */
  encryptionKeys: Buffer[];
}

/** The blob store for the whole app. */
@Module({})
export class BlobsModule {
  static forRoot(config: BlobsConfig): DynamicModule {
    return {
      module: BlobsModule,
      global: true,
      providers: [{ provide: BlobStore, useFactory: () => openBlobStore(config) }],
      exports: [BlobStore],
    };
  }
}

/** For what runs without Nest. */
export async function openBlobStore({ url, s3, encryptionKeys }: BlobsConfig): Promise<BlobStore> {
  const [first, ...others] = encryptionKeys;
  const store = await openPlain(new URL(url), s3);
  return first ? new EncryptedBlobStore(store, [first, ...others]) : store;
}

async function openPlain(url: URL, s3: S3Config): Promise<BlobStore> {
  if (url.protocol === 'file:') return FolderBlobStore.open(fileURLToPath(url));
  // Loaded only where it is used: the SDK is most of what a start of this library costs.
  const { S3BlobStore } = await import('./s3-blob-store.js');
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return new S3BlobStore(url.hostname, prefix && `${prefix}/`, s3);
}
