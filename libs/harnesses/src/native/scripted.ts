import path from 'node:path';
import { NativeIdUnknown, UnsafeNativePath } from './native-errors.js';
import { isPlainFile, placeOf } from './native-folders.js';
import type { NativeCommandRequest, NativeHarness } from './native-harness.js';
import { checkUuid, isUuid } from './native-id.js';

const MAIN = 'main.jsonl';

/** Our own scripted agent: one file of lines per conversation, below its working directory. It is driven over ACP only. */
export const scriptedNative: NativeHarness = {
  name: 'scripted',
  envelopeFormat: null,
  isNativeId: isUuid,
  mainName: () => MAIN,

  async origin(place) {
    const { home, cwd } = await placeOf(place);
    return { home, cwd, root: path.join(cwd, '.scripted-agent') };
  },

  async locate(place, nativeId) {
    const file = await scriptedNative.targetPath(place, { native_id: nativeId, started_at: null }, MAIN);
    return (await isPlainFile(file)) ? [{ name: MAIN, mode: 'lines', path: file }] : [];
  },

  describe: async () => ({ started_at: null, harness_version: null }),

  async targetPath(place, { native_id }, name) {
    checkUuid(native_id);
    if (name !== MAIN) throw new UnsafeNativePath(`The scripted agent has no file ${JSON.stringify(name)}.`);
    return path.join((await scriptedNative.origin(place)).root, `${native_id}.jsonl`);
  },

  canonical: () => (content) => content,
  relocate: () => (content) => content,
  freshCommand: noCommand,
  resumeCommand: noCommand,
};

function noCommand(_request: NativeCommandRequest): never {
  throw new NativeIdUnknown('The scripted agent is driven over ACP.');
}
