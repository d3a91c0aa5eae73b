import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { isCrossingHarness, nativeFromRecords, resumptionPrompt, type CrossingHarness } from '@holdfast/harnesses';
import type { Principal } from '@holdfast/platform-auth';
import { UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SessionTurnsService } from '@holdfast/sessions-streams';
import {
  hasPushed,
  newestConversation,
  ResumeStateMissing,
  SessionsTranscriptsReader,
  TranscriptBehind,
  TranscriptProjector,
  TranscriptTooLarge,
  type SessionNativeConvert,
  type SessionNativeConverted,
  type SessionRecord,
} from '@holdfast/sessions-transcripts';
import { SaveNativeFlow, writerOf } from './save-native.flow.js';

/** How long the records may take to reach the end of the log. */
const CATCH_UP_MS = 10_000;
const LOOK_AGAIN_MS = 50;

const PAGE = 200;
/** All records of the conversation are in memory at once, and what is made of them too. */
const MAX_RECORDS_BYTES = 64 * 1024 * 1024;

/** A text that leaves a model room for the work. */
const MAX_PROMPT_BYTES = 128 * 1024;

/** Versions whose files the present ones read. */
const WRITTEN_AS: Record<CrossingHarness, string> = { claude: '2.1.329', codex: '0.169.0' };

/**
 * Lets a session go on in another harness: from its records, which say the same whatever harness they are from. The same
 * records for the same harness are the same conversation, so a retry makes no second one.
 */
@Injectable()
export class ConvertNativeFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly saves: SaveNativeFlow,
    private readonly projector: TranscriptProjector,
    private readonly records: SessionsTranscriptsReader,
    private readonly turns: SessionTurnsService,
  ) {}

  /**
   * Errors: transcript_behind, resume_state_missing (nothing was said yet, or not only in turns), transcript_too_large,
   * those of a save (SaveNativeFlow.admit).
   */
  async run(principal: Principal, convert: SessionNativeConvert): Promise<SessionNativeConverted> {
    const { session_id, turn_id, harness } = convert;
    const session = { project_id: principal.project_id, session_id };
    const writer = writerOf(principal, convert);
    const first = await this.unitOfWork.run(async (tx) => {
      await this.saves.admit(writer)(tx, session);
      return this.firstTurn(tx, session, harness);
    });
    await this.catchUp(session);
    const records = await this.recordsOf(session, first, turn_id);
    const last = records.at(-1);
    if (!last) throw ResumeStateMissing({ reason: `Nothing was said in session "${session_id}" yet.` });
    if (isCrossingHarness(harness)) return this.asConversation(principal, convert, harness, records, last);

    const { text, omitted } = resumptionPrompt(records, { maxBytes: MAX_PROMPT_BYTES });
    return { conversation_id: null, native_id: null, version: null, resumption_prompt: text, omitted };
  }

  private async asConversation(
    principal: Principal,
    { session_id, turn_id, epoch, origin }: SessionNativeConvert,
    harness: CrossingHarness,
    records: SessionRecord[],
    last: SessionRecord,
  ): Promise<SessionNativeConverted> {
    const now = new Date(last.ended_at);
    const native_id = uuidFrom(now, [principal.project_id, session_id, harness, last.record_id]);
    const target = { cwd: origin.cwd, native_id, now, version: WRITTEN_AS[harness] };
    const { files, omitted } = nativeFromRecords(harness, records, target);
    const { conversation_id, version } = await this.saves.saveContent(principal, {
      open: {
        session_id,
        ...(turn_id !== undefined && { turn_id, epoch }),
        harness,
        native_id,
        origin,
        harness_version: target.version,
        started_at: records[0]!.started_at,
      },
      files,
      save_point: 'convert',
    });
    return { conversation_id, native_id, version, resumption_prompt: null, omitted };
  }

  /**
   * The turn that the conversation began with; undefined where that is the session's first. Errors: resume_state_missing
   * where the records since then are not all of it.
   */
  private async firstTurn(tx: Transaction, session: SessionKey, harness: string): Promise<string | undefined> {
    const fresh = await this.turns.lastFreshStart(tx, session);
    if (!(await hasPushed(tx, session, fresh?.started_at ?? null))) return fresh?.turn_id;
    const { harness: stored } = (await newestConversation(tx, session))!;
    const reason = `Part of the conversation was pushed, and is in no record that "${harness}" could be told. Run the turn with an agent of "${stored}", or start afresh.`;
    throw ResumeStateMissing({ reason });
  }

  /** Projects the log to its end, beside the workers who do the same. */
  private async catchUp({ project_id, session_id }: SessionKey): Promise<void> {
    const until = performance.now() + CATCH_UP_MS;
    for (;;) {
      const { caughtUp, advanced } = await this.projector.advance(project_id, session_id);
      if (caughtUp) return;
      if (performance.now() > until) throw TranscriptBehind({ session_id });
      if (!advanced) await pause(LOOK_AGAIN_MS);
    }
  }

  /** Those from turn `first` on, but none of turn `next`: what that was asked is sent by itself. */
  private async recordsOf(
    { project_id, session_id }: SessionKey,
    first: string | undefined,
    next: string | undefined,
  ): Promise<SessionRecord[]> {
    const records: SessionRecord[] = [];
    let hasBegun = first === undefined;
    let bytes = 0;
    for (let cursor: string | undefined; ;) {
      const page = await this.records.query(project_id, { session_id, limit: PAGE, cursor });
      for (const record of page.data) {
        hasBegun ||= record.turn_id === first;
        if (!hasBegun || (next !== undefined && record.turn_id === next)) continue;
        bytes += JSON.stringify(record.content).length;
        records.push(record);
      }
      if (bytes > MAX_RECORDS_BYTES) {
        throw TranscriptTooLarge({ what: 'Records that are converted', limit_bytes: MAX_RECORDS_BYTES });
      }
      if (page.next_cursor === null) return records;
      cursor = page.next_cursor;
    }
  }
}

/** A UUID of version 7 (RFC 9562) that is always the same for the same time and names. */
function uuidFrom(time: Date, names: string[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(names)).digest().subarray(0, 16);
  bytes.writeUIntBE(time.getTime(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
