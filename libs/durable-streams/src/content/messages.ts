import { isJson } from '../log-head.js';
import { readJsonMessages } from './json-messages.js';

/** What a body holds for a log of `content_type`: JSON messages, or one run of bytes. Errors as `readJsonMessages`. */
export function splitMessages(content_type: string, body: Buffer): Buffer[] {
  if (body.length === 0) return [];
  return isJson({ content_type }) ? readJsonMessages(body).messages : [body];
}
