import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { anthropicMessages } from './anthropic-messages.js';
import { prompts } from './conversation.js';
import type { ModelReply, ModelRequest } from './conversation.js';
import type { Dialect } from './dialect.js';
import { geminiContent } from './gemini-content.js';
import { openaiChat } from './openai-chat.js';
import { openaiResponses } from './openai-responses.js';
import { nextReply } from './script.js';

/** What the model was sent, and what it answers. Skip entries with `side`: a harness makes those at its own whim. */
export interface FakeModelEntry extends ModelRequest {
  seq: number;
  prompts: string[];
  reply: ModelReply;
}

export interface FakeModel {
  /** `http://127.0.0.1:PORT`, without `/v1`. */
  url: string;
  port: number;
  /** Grows as requests arrive, before they are answered. */
  log: FakeModelEntry[];
  /** Ends it with whatever it is still saying. */
  stop(): Promise<void>;
}

const dialects = [anthropicMessages, openaiResponses, openaiChat, geminiContent];

/** Starts a model on loopback that real harnesses can talk to. It answers by the script in the last prompt (`nextReply`). */
export async function startFakeModel(): Promise<FakeModel> {
  const log: FakeModelEntry[] = [];
  const server = createServer((request, response) => {
    answer(log, request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 400, { error: { type: 'invalid_request_error', message: error.message } });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, port, log, stop };
}

async function answer(log: FakeModelEntry[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://model').pathname;
  if (request.method === 'HEAD') return void response.writeHead(200).end();
  const counting = dialects.find((candidate) => candidate.counting?.path.test(path))?.counting;
  if (request.method === 'POST' && counting) return sendJson(response, 200, counting.count(await json(request)));
  const dialect = dialects.find((candidate) => candidate.path.test(path));
  if (request.method !== 'POST' || !dialect) {
    return sendJson(response, 404, { error: { type: 'not_found_error', message: `No ${request.method} ${path}` } });
  }

  const asked = dialect.read(await json(request), path);
  const reply = replyTo(dialect, asked);
  log.push({ seq: log.length + 1, ...asked, prompts: prompts(asked.conversation), reply });
  await send(dialect, asked, reply, response);
}

function replyTo(dialect: Dialect, asked: ModelRequest): ModelReply {
  // A side request quotes the prompt, with its directives: obeying them would run them twice.
  if (asked.side) return { parts: [{ say: 'ok' }] };
  return nextReply(asked.conversation, dialect.shell(asked.tools));
}

async function send(dialect: Dialect, asked: ModelRequest, reply: ModelReply, response: ServerResponse): Promise<void> {
  const hangUp = new AbortController();
  response.once('close', () => hangUp.abort());
  const wait = (ms: number) => pause(ms, undefined, { signal: hangUp.signal });

  if (reply.fail || !asked.stream) {
    for (const part of reply.parts) if ('sleep' in part) await wait(part.sleep);
    if (reply.fail) return sendJson(response, reply.fail, dialect.failure(reply.fail));
    return sendJson(response, 200, dialect.whole(asked, reply));
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const step of dialect.stream(asked, reply)) {
    if ('pause' in step) await wait(step.pause);
    else response.write(serverSentEvent(step));
  }
  response.end();
}

function serverSentEvent({ event, data }: { event?: string; data: object | string }): string {
  const name = event ? `event: ${event}\n` : '';
  return `${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
