import { UnsafeNativePath } from './native-errors.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** Ids become parts of paths, and may come from another machine. */
export function checkUuid(nativeId: string): void {
  if (!isUuid(nativeId)) throw new UnsafeNativePath(`${JSON.stringify(nativeId)} is not a session id of this harness.`);
}
