import { randomBytes, randomUUID } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Durations } from '../statistics.mjs';

/** About what a prompt, a tool call, its result and an answer take in a harness's file. */
const TURN_BYTES = [1_000, 2_000, 16_000, 4_000];
const TURNS_AT_ONCE = 100;

/**
 * A conversation of `bytes` on disk, saved, gets one turn after the other until `seconds` are over (three at least), and
 * each is saved: what a look at the file and the save take, and how many bytes went both ways, as a share of `bytes`.
 * `isFirstLook`: by somebody who was not there before (the runner of the next turn, a push) and reads all of the file.
 */
export async function captureTranscript({ server, bytes, isFirstLook, seconds }, { mark }) {
  return withTranscript({ server, bytes }, async (transcript) => {
    const took = new Durations();
    const moved = [];
    let capture = await transcript.save();
    await mark('start');
    const startedAt = performance.now();
    while (took.count < 3 || performance.now() - startedAt < seconds * 1000) {
      await transcript.addTurns(1);
      const before = transcript.movedBytes;
      const lookedAt = performance.now();
      capture = await transcript.save(isFirstLook ? undefined : capture);
      took.add(performance.now() - lookedAt);
      moved.push(transcript.movedBytes - before);
    }
    await mark('end');
    return {
      operations: took.count,
      p50_ms: took.percentile(0.5),
      p99_ms: took.percentile(0.99),
      moved_percent: (Math.max(...moved) / bytes) * 100,
    };
  });
}

/** The whole of a saved conversation of `bytes` is fetched as an archive, again and again until `seconds` are over. */
export async function fetchTranscript({ server, bytes, seconds }, { mark }) {
  return withTranscript({ server, bytes }, async (transcript) => {
    await transcript.save();
    const took = new Durations();
    const fetched = await transcript.fetch();
    await mark('start');
    const startedAt = performance.now();
    do {
      const askedAt = performance.now();
      const again = await transcript.fetch();
      took.add(performance.now() - askedAt);
      if (again !== fetched || again < bytes) throw new Error(`${again} bytes came of ${fetched}`);
    } while (performance.now() - startedAt < seconds * 1000);
    const elapsed = (performance.now() - startedAt) / 1000;
    await mark('end');
    const megabytes = (fetched * took.count) / 1e6;
    return { operations: megabytes, mb_per_s: megabytes / elapsed, p50_ms: took.percentile(0.5) };
  });
}

async function withTranscript({ server, bytes }, measure) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-home-'));
  try {
    return await measure(await Transcript.write(server, folder, bytes));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A conversation as Claude Code keeps it, in a home of its own. */
class Transcript {
  /** Bodies of requests and of their answers. */
  movedBytes = 0;
  #session_id = `transcript-${randomUUID()}`;
  #native_id = randomUUID();
  #parent = null;
  #harnesses;
  #harness;
  #client;
  #place;
  #file;
  #base = null;

  static async write(server, folder, bytes) {
    const transcript = new Transcript();
    await transcript.#open(server, folder);
    const turnBytes = TURN_BYTES.reduce((sum, length) => sum + length);
    for (let written = 0; written < bytes;) {
      written += await transcript.addTurns(Math.min(TURNS_AT_ONCE, Math.ceil((bytes - written) / turnBytes)));
    }
    return transcript;
  }

  async #open({ port, authorization }, folder) {
    // Not built yet when the options are read.
    this.#harnesses = await import('@holdfast/harnesses');
    const { HoldfastClient } = await import('@holdfast/client');
    this.#client = new HoldfastClient({
      url: `http://127.0.0.1:${port}`,
      apiKey: authorization.slice('Bearer '.length),
      fetch: (url, init) => this.#counted(url, init),
    });
    this.#harness = this.#harnesses.nativeHarness('claude');
    this.#place = { env: { HOME: folder }, cwd: join(folder, 'work') };
    const conversation = { native_id: this.#native_id, started_at: null };
    this.#file = await this.#harness.targetPath(this.#place, conversation, this.#harness.mainName(this.#native_id));
    await mkdir(dirname(this.#file), { recursive: true });
  }

  /** Resolves to the bytes that were added. */
  async addTurns(turns) {
    const lines = [];
    for (let turn = 0; turn < turns; turn += 1) for (const length of TURN_BYTES) lines.push(this.#line(length));
    const text = lines.join('');
    await appendFile(this.#file, text);
    return text.length;
  }

  /** Looks at the file and saves what is new of it. Resolves to what knows the file the next time. */
  async save(capture) {
    const looking = capture ?? (await this.#firstLook());
    const saved = await this.#client.saveNative(
      {
        session_id: this.#session_id,
        harness: this.#harness.name,
        native_id: this.#native_id,
        origin: await this.#harness.origin(this.#place),
        save_point: 'push',
        base: this.#base,
      },
      await looking.changes(),
    );
    this.#base = saved.base;
    looking.accepted(saved.base.files);
    return looking;
  }

  /** Resolves to the bytes that came. */
  async fetch() {
    const { content } = await this.#client.readNativeContent({ session_id: this.#session_id, as: 'tar' });
    let bytes = 0;
    for await (const part of content) bytes += part.length;
    return bytes;
  }

  async #firstLook() {
    if (this.#base) this.#base = await this.#client.fetchNativeBase({ session_id: this.#session_id });
    return new this.#harnesses.NativeCapture(this.#harness, this.#place, this.#native_id, this.#base?.files ?? []);
  }

  #line(length) {
    const uuid = randomUUID();
    const line = {
      parentUuid: this.#parent,
      isSidechain: false,
      type: this.#parent === null ? 'user' : 'assistant',
      uuid,
      timestamp: new Date().toISOString(),
      cwd: this.#place.cwd,
      sessionId: this.#native_id,
      message: { role: 'assistant', content: [{ type: 'text', text: randomBytes(length / 2).toString('hex') }] },
    };
    this.#parent = uuid;
    return `${JSON.stringify(line)}\n`;
  }

  async #counted(url, init) {
    this.movedBytes += init?.body ? Buffer.byteLength(init.body) : 0;
    const response = await fetch(url, init);
    this.movedBytes += Number(response.headers.get('content-length') ?? 0);
    return response;
  }
}
