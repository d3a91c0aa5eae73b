export { BlobStore } from './blob-store.js';
export type { BlobEntry, BlobFacts, BlobRange } from './blob-store.js';
export {
  BlobChecksumMismatch,
  BlobCorrupt,
  BlobKeyInvalid,
  BlobNotFound,
  BlobRangeInvalid,
  BlobStoreFull,
  BlobStoreUnavailable,
  BlobTooLarge,
} from './blob.errors.js';
export { BlobsModule, openBlobStore } from './blobs.module.js';
export type { BlobsConfig } from './blobs.module.js';
