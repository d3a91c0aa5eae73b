import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { testS3 } from '@holdfast/testing';
import { openBlobStore, type BlobStore } from '../src/index.js';

const REGION = 'us-east-1';

/** One real store, and what a test does to it from outside. */
export interface StoreUnderTest {
  store: BlobStore;
  /** The same place, as another process of the installation opens it. */
  reopen(encryptionKeys?: Buffer[]): Promise<BlobStore>;
  /** With nobody at the other end. */
  openNowhere(): Promise<BlobStore>;
  /** What lies under everything: each stored thing by its name, as bytes. */
  stored(): Promise<Map<string, Buffer>>;
  /** Changes what is stored for the key, behind the store's back. */
  damage(key: string, change: (bytes: Buffer) => Buffer): Promise<void>;
  close(): Promise<void>;
}

export async function folderStore(encryptionKeys: Buffer[] = []): Promise<StoreUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'));
  const open = (url: string, keys = encryptionKeys) =>
    openBlobStore({ url, s3: { region: REGION }, encryptionKeys: keys });
  const url = pathToFileURL(folder).href;
  const files = async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };
  const store = await open(url);
  return {
    store,
    reopen: (keys) => open(url, keys),
    openNowhere: async () => {
      // A folder that was taken away while its process ran.
      const lost = mkdtempSync(join(tmpdir(), 'holdfast-blobs-lost-'));
      const opened = await open(pathToFileURL(lost).href);
      rmSync(lost, { recursive: true });
      return opened;
    },
    stored: async () =>
      new Map(await Promise.all((await files()).map(async (file) => [file, await readFile(file)] as const))),
    damage: async (key, change) => {
      const file = (await files()).find((name) => name.endsWith(`/${key}+blob`))!;
      await writeFile(file, change(await readFile(file)));
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function s3Store(encryptionKeys: Buffer[] = []): Promise<StoreUnderTest> {
  const { endpoint, region, bucket, credentials } = testS3()!;
  // Where the SDK looks first, as an installation would give them.
  process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
  const admin = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await admin.send(new CreateBucketCommand({ Bucket: bucket }));
  const prefix = 'one/installation/';
  const open = (at: string, keys = encryptionKeys) =>
    openBlobStore({
      url: `s3://${bucket}/one/installation`,
      s3: { endpoint: at, region, forcePathStyle: true },
      encryptionKeys: keys,
    });
  const read = async (Key: string) => {
    const { Body, Metadata } = await admin.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return { bytes: Buffer.from(await Body!.transformToByteArray()), Metadata };
  };
  return {
    store: await open(endpoint),
    reopen: (keys) => open(endpoint, keys),
    openNowhere: () => open('http://127.0.0.1:1'),
    stored: async () => {
      const { Contents = [] } = await admin.send(new ListObjectsV2Command({ Bucket: bucket }));
      return new Map(await Promise.all(Contents.map(async ({ Key }) => [Key!, (await read(Key!)).bytes] as const)));
    },
    damage: async (key, change) => {
      const { bytes, Metadata } = await read(prefix + key);
      await admin.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body: change(bytes), Metadata }));
    },
    close: async () => admin.destroy(),
  };
}

/** Every store that this machine has, plain and encrypted. */
export const availableStores = [
  { name: 'a folder', open: () => folderStore() },
  { name: 'an encrypted folder', open: () => folderStore([randomBytes(32)]) },
  ...(process.env['HOLDFAST_TEST_S3_URL']
    ? [
        { name: 'S3', open: () => s3Store() },
        { name: 'encrypted S3', open: () => s3Store([randomBytes(32)]) },
      ]
    : []),
];

/** The encrypted ones, with the keys left to the test. */
export const encryptedStores = [
  { name: 'a folder', open: folderStore },
  ...(process.env['HOLDFAST_TEST_S3_URL'] ? [{ name: 'S3', open: s3Store }] : []),
];
