import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ClaimedTurn } from '@holdfast/sessions-streams';
import { readHandshake } from '../src/push/push-handshake.js';
import { pushHeaders, pushRequest } from '../src/push/push-request.js';

const reference = (file: string) =>
  JSON.parse(readFileSync(path.resolve(__dirname, '../../../docs/reference', file), 'utf8')) as never;

interface Golden {
  request: { headers: Record<string, string>; body: Record<string, unknown> & { turn_id: string } };
  frames: Record<'accepted' | 'error', object>;
}
const golden: Golden = reference('push-target.example.json');

const ajv = new Ajv2020({ formats: { uuid: /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/ } });
ajv.addSchema(reference('push-target.schema.json'), 'push');
const isRequest = ajv.getSchema('push#/$defs/request')!;
const isFrame = ajv.getSchema('push#/$defs/frame')!;

describe('what a push target is sent (the golden request)', () => {
  const turn = {
    session_id: 'chat-1',
    turn_id: '0199f2c4-7d1e-7a63-9a53-5b1f6f6d2c11',
    attempt: 2,
    prompt: 'What is new today?',
    approvals: 'ask',
  };
  const claimed = { turn, epoch: 7, resume_agent_session_id: 'conversation-17' } as ClaimedTurn;
  const agent = { name: 'news', revision: 3, model: 'large', environment: { REGION: 'eu' } };
  const credential = 'hf_turn_eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl';

  it('is the body of the reference, to the letter', () => {
    const body = pushRequest(claimed, agent, credential, { beatSeconds: 5, leaseSeconds: 30 });
    expect(body).toEqual(golden.request.body);
  });

  it('has the headers of the reference; its key names the attempt', () => {
    const { headers } = golden.request;
    const signed = {
      timestamp: headers['webhook-timestamp']!,
      signature: Buffer.from(headers['webhook-signature']!.slice('v1a,'.length), 'base64'),
    };
    expect(pushHeaders({ turn_id: turn.turn_id, epoch: 7 }, signed, headers['traceparent']!)).toEqual(headers);
  });

  it('A7: is what the schema says, and nothing that lacks a field is', () => {
    expect([isRequest(golden.request.body), isRequest.errors]).toEqual([true, null]);
    for (const field of Object.keys(golden.request.body)) {
      const { [field]: _, ...rest } = golden.request.body;
      expect([field, isRequest(rest)]).toEqual([field, false]);
    }
  });
});

describe('the first frame of a push target', () => {
  const { turn_id } = golden.request.body;

  async function* chunks(...parts: (string | Buffer)[]) {
    for (const part of parts) yield Buffer.from(part);
  }
  const read = (...parts: (string | Buffer)[]) => readHandshake(chunks(...parts), turn_id);

  it('of the reference is what the schema says, and is understood', async () => {
    for (const frame of Object.values(golden.frames)) expect(isFrame(frame)).toBe(true);
    expect(await read(`${JSON.stringify(golden.frames.accepted)}\n`)).toBeUndefined();
    expect(await read(`${JSON.stringify(golden.frames.error)}\n`)).toBe(
      'refused the turn: busy: No room for another turn',
    );
  });

  it.each<[string, (string | Buffer)[]]>([
    ['in one piece', ['{"type":"accepted"}\n']],
    ['without a line end', ['{"type":"accepted"}']],
    ['with a Windows line end', ['{"type":"accepted"}\r\n']],
    ['after empty lines', ['\n\n', ' \r\n', '{"type":"accepted"}\n']],
    [
      'cut within a character',
      [
        Buffer.from('{"x":"é","type":"accepted"}\n').subarray(0, 7),
        Buffer.from('{"x":"é","type":"accepted"}\n').subarray(7),
      ],
    ],
    ['before others', ['{"type":"accepted"}\n{"type":"error"}\n']],
    ['before a flood', [`{"type":"accepted"}\n${'x'.repeat(200_000)}`]],
    ['with fields that nobody knows', ['{"type":"accepted","since":1}\n']],
  ])('accepts the turn %s', async (_, parts) => {
    expect(await read(...parts)).toBeUndefined();
  });

  it.each<[string, (string | Buffer)[], string]>([
    ['nothing', [], 'ended its answer without a frame'],
    ['empty lines', ['\n', '\r\n  \n'], 'ended its answer without a frame'],
    ['no JSON', ['accepted\n'], 'sent a first frame that is no JSON object'],
    ['half a frame', ['{"type":"acc'], 'sent a first frame that is no JSON object'],
    ['JSON that is no object', ['"accepted"\n'], 'sent a first frame that is no JSON object'],
    ['a frame without a type', ['{}\n'], 'sent a first frame of type none'],
    ['a list', ['["accepted"]\n'], 'sent a first frame that is no JSON object'],
    ['another frame first', ['{"type":"event"}\n{"type":"accepted"}\n'], 'sent a first frame of type "event"'],
    ['a result first', ['{"kind":"result","ok":false}\n'], 'sent a first frame of type none'],
    ['an error without words', ['{"type":"error"}\n'], 'refused the turn'],
    ['an error in two lines', ['{"type":"error","message":"a\\nb"}\n'], 'refused the turn: a b'],
    ['another turn', ['{"type":"accepted","turn_id":"x"}\n'], 'accepted another turn than it was sent'],
    [
      'a line without an end',
      Array.from({ length: 9 }, () => 'x'.repeat(8 * 1024)),
      'sent more than 65536 bytes before the end of a first frame',
    ],
    [
      'empty lines without an end',
      Array.from({ length: 9 }, () => '\n'.repeat(8 * 1024)),
      'sent more than 65536 bytes before the end of a first frame',
    ],
  ])('does not when it is %s', async (_, parts, reason) => {
    expect(await read(...parts)).toBe(reason);
  });

  it('is cut to what people can read', async () => {
    const reason = await read(`${JSON.stringify({ type: 'error', message: 'x'.repeat(2_000) })}\n`);
    expect(reason).toBe(`refused the turn: ${'x'.repeat(500)}`);
  });

  it('ends the reading: what follows is not waited for', async () => {
    let ended = false;
    async function* endless() {
      try {
        yield Buffer.from('{"type":"accepted"}\n');
        await new Promise(() => undefined);
      } finally {
        ended = true;
      }
    }
    await readHandshake(endless(), turn_id);
    expect(ended).toBe(true);
  });
});
