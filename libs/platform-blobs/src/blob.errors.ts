import { defineError } from '@holdfast/platform-errors';

export const BlobNotFound = defineError<{ key: string }>({
  code: 'blob_not_found',
  kind: 'not-found',
  title: 'Blob not found',
  detail: ({ key }) => `The blob store has no "${key}".`,
});

export const BlobCorrupt = defineError<{ key: string; why: string }>({
  code: 'blob_corrupt',
  kind: 'unprocessable',
  title: 'Blob is damaged',
  detail: ({ key, why }) => `The blob "${key}" is not what was stored: ${why}.`,
});

export const BlobChecksumMismatch = defineError<{ key: string; why: string }>({
  code: 'blob_checksum_mismatch',
  kind: 'unprocessable',
  title: 'Content does not match its checksum',
  detail: ({ key, why }) => `Nothing was stored as "${key}": ${why}. Send the content again.`,
});

export const BlobTooLarge = defineError<{ key: string; limit: number }>({
  code: 'blob_too_large',
  kind: 'too-large',
  title: 'Blob too large',
  detail: ({ key, limit }) => `"${key}" has more than ${limit} bytes; store it in parts.`,
  members: ({ limit }) => ({ limit_bytes: limit }),
});

export const BlobKeyInvalid = defineError<{ key: string }>({
  code: 'blob_key_invalid',
  kind: 'invalid',
  title: 'Invalid blob key',
  detail: ({ key }) =>
    `${JSON.stringify(key.slice(0, 100))} is no blob key: at most 512 bytes, segments of 1 to 200 of A-Z a-z 0-9 . _ = - joined by "/", none of them "." or "..".`,
});

export const BlobRangeInvalid = defineError<{ key: string; bytes: number }>({
  code: 'blob_range_invalid',
  kind: 'invalid',
  title: 'Range outside the blob',
  detail: ({ key, bytes }) =>
    `The range does not begin in "${key}", which has ${bytes} bytes, or ends before it begins.`,
});

export const BlobStoreUnavailable = defineError<{ why: string }>({
  code: 'blob_store_unavailable',
  kind: 'unavailable',
  title: 'Blob store unavailable',
  detail: ({ why }) => `The blob store cannot be used (${why}). Try again later.`,
});

export const BlobStoreFull = defineError<{ why: string }>({
  code: 'blob_store_full',
  kind: 'unavailable',
  title: 'Blob store full',
  detail: ({ why }) => `The blob store has no room (${why}). Nothing was stored; make room and try again.`,
});
