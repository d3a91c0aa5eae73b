import { Global, Module } from '@nestjs/common';
import { BlobStore } from '@holdfast/platform-blobs';

/** For flows that keep no blobs: using the store fails. */
@Global()
@Module({ providers: [{ provide: BlobStore, useValue: {} }], exports: [BlobStore] })
export class NoBlobs {}
