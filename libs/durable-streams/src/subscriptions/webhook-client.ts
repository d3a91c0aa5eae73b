import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Injectable } from '@nestjs/common';
import { checkedLookup, type OutboundTarget } from '@holdfast/platform-outbound';
import { DurableStreamsConfig } from '../durable-streams.config.js';
import { parseWebhookUrl } from './webhook-url.rules.js';

/** For the whole call, in milliseconds. */
const DEADLINE_MS = 10_000;

/** An answer that is longer is not read to its end; `{"done":true}` needs 13 bytes. */
const MAX_ANSWER_BYTES = 16 * 1024;

/** What the receiver said. */
export interface WebhookAnswer {
  status: number;
  /** Undefined when it is too long. */
  body: string | undefined;
}

/** The receiver did not answer in time, or not to the end. */
export class WebhookDeadlinePassed extends Error {
  constructor(options: ErrorOptions) {
    super(`no answer within ${DEADLINE_MS / 1000} s`, options);
  }
}

/**
 * Calls webhooks. The address is checked as the connection is made, so that a name which resolves to another address
 * than before gains nothing; redirects are not followed, and no connection is used twice.
 */
@Injectable()
export class WebhookClient {
  constructor(private readonly config: DurableStreamsConfig) {}

  /** Errors: webhook_url_rejected, OutboundAddressRefused, WebhookDeadlinePassed, and those of the network. */
  async post(url: string, headers: Record<string, string>, body: Buffer): Promise<WebhookAnswer> {
    const target = parseWebhookUrl(url, { allowLoopback: this.config.allowLoopbackWebhooks });
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    try {
      return await call(target, headers, body, deadline);
    } catch (cause) {
      throw deadline.aborted ? new WebhookDeadlinePassed({ cause }) : cause;
    }
  }
}

function call(
  target: OutboundTarget,
  headers: Record<string, string>,
  body: Buffer,
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  const request = target.url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((settle, reject) => {
    const options = {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-length': body.length },
      lookup: checkedLookup(target.reach),
      signal,
    };
    request(target.url, options, (response) => read(response).then(settle, reject))
      .once('error', reject)
      .end(body);
  });
}

async function read(response: IncomingMessage): Promise<WebhookAnswer> {
  const status = response.statusCode!;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop closes the connection.
    if (bytes > MAX_ANSWER_BYTES) return { status, body: undefined };
    chunks.push(chunk);
  }
  return { status, body: Buffer.concat(chunks).toString() };
}
