import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Injectable } from '@nestjs/common';
import {
  checkedLookup,
  judgeOutboundUrl,
  OutboundAddressRefused,
  type OutboundTarget,
} from '@holdfast/platform-outbound';
import { readHandshake } from './push-handshake.js';
import { PushConfig } from './push.config.js';

/** One call that is to start a turn. */
export interface PushCall {
  url: string;
  turn_id: string;
  headers: Record<string, string>;
  body: Buffer;
  /** For all of it, from resolving the name to the first frame. */
  deadlineMs: number;
}

/**
 * Calls push targets. The address is checked as the connection is made; redirects are not followed, no connection is
 * used twice, and none stays open after the first frame.
 */
@Injectable()
export class PushClient {
  constructor(private readonly config: PushConfig) {}

  /** Undefined when the service accepted the turn, else why it did not, as the end of "The service …". Never throws. */
  async call({ url, turn_id, headers, body, deadlineMs }: PushCall): Promise<string | undefined> {
    const target = judgeOutboundUrl(url, this.config.reach);
    if ('refused' in target) return `was not called: its URL ${target.refused}`;
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      const response = await post(target, headers, body, deadline);
      const status = response.statusCode!;
      if (status >= 200 && status < 300) return await readHandshake(response, turn_id);
      response.destroy();
      return status >= 300 && status < 400 ? `answered ${status}; redirects are not followed` : `answered ${status}`;
    } catch (error) {
      if (deadline.aborted) return `did not accept the turn within ${deadlineMs / 1000} s`;
      if (error instanceof OutboundAddressRefused) return `was not called: ${error.message}`;
      return `could not be reached, or broke off (${(error as { code?: string }).code ?? 'unknown reason'})`;
    }
  }
}

function post(
  { url, reach }: OutboundTarget,
  headers: Record<string, string>,
  body: Buffer,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((settle, reject) => {
    const options = {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-length': body.length },
      lookup: checkedLookup(reach),
      signal,
    };
    request(url, options, settle).once('error', reject).end(body);
  });
}
