import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@holdfast/testing';
import { followUntil, textOf } from './follow.js';
import { startStack, type Stack } from './stack.js';

const TOKEN = `ghp_${'aZ3kQ9xW1mB7'.repeat(3)}`;
const NUMBER = 'ACME-123456';
const PROMPT = `I am ${NUMBER}. [[say:You gave me ${TOKEN}.]]`;
const SAID = 'You gave me [redacted:github_token].';

describe('redaction', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-redaction-'));
  let stack: Stack;
  beforeAll(async () => {
    const file = path.join(folder, 'rules.json');
    writeFileSync(file, JSON.stringify([{ name: 'customer', pattern: 'ACME-[0-9]{6}' }]));
    stack = await startStack({ env: { REDACTION_RULES: file } });
  }, 60_000);
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  /** A session with one turn, as a viewer saw it. */
  async function aSession() {
    const session_id = `s-${randomUUID()}`;
    await stack.client.sessions.createSession({ session_id, SessionCreate: {} });
    await stack.client.invoke({ session_id, prompt: PROMPT, agent: { name: 'scripted' } });
    return { session_id, seen: await followUntil(stack, session_id) };
  }

  it('leaves the log as it is, and no secret in the transcript', async () => {
    const { session_id, seen } = await aSession();
    expect(textOf(seen)).toContain(TOKEN);

    const { data } = await eventually(async () => {
      const page = await stack.client.transcripts.querySessionTranscripts({ SessionTranscriptQuery: { session_id } });
      if (page.projected_offset !== page.tail_offset) throw new Error('not projected yet');
      return page;
    });
    expect(data[0]!.content['prompt']).toBe(`I am [redacted:customer]. [[say:${SAID}]]`);
    expect(JSON.stringify(data)).toContain(SAID);
    expect(JSON.stringify(data)).not.toMatch(/ghp_|ACME-/);
  });

  it('holds for what the api projects before a conversion, which lists what was taken out', async () => {
    await stack.workers.stop();
    const { session_id } = await aSession();
    const SessionNativeConvert = {
      session_id,
      harness: 'gemini',
      origin: { home: '/home/me', root: '/home/me/.gemini', cwd: '/home/me/code' },
    };
    const { resumption_prompt, omitted } = await stack.client.nativeTranscripts.convertSessionNativeConversation({
      SessionNativeConvert,
    });
    expect(resumption_prompt).toContain(SAID);
    expect(resumption_prompt).not.toMatch(/ghp_|ACME-/);
    expect(omitted).toContainEqual(
      expect.objectContaining({ type: 'user_message', reason: expect.stringContaining('(customer, github_token)') }),
    );
  });
});
