import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { fromEnvelope, nativeHarness, type EnvelopeFormat, type OpenedEnvelope } from '@holdfast/harnesses';
import {
  CredentialKind,
  CredentialScope,
  requireTurnScope,
  SessionAccess,
  type Principal,
} from '@holdfast/platform-auth';
import { isStorableText } from '@holdfast/platform-http';
import { SessionFences, UnitOfWork, type SessionKey, type Transaction } from '@holdfast/platform-postgres';
import { SessionArchived } from '@holdfast/sessions-directory';
import { SessionInUse, SessionTurnsService } from '@holdfast/sessions-streams';
import {
  differenceOf,
  EnvelopeInvalid,
  isFileName,
  NativeSaveNotFound,
  NativeSavesService,
  NativeTranscriptsReader,
  type Admission,
  type FileAtHand,
  type NativePrecondition,
  type NativeWriter,
  type SavePoint,
  type SessionNativeChunk,
  type SessionNativeEnvelopeSet,
  type SessionNativeManifest,
  type SessionNativePart,
  type SessionNativeSave,
  type SessionNativeSaveFinish,
  type SessionNativeSaveOpen,
  type SessionNativeVersion,
} from '@holdfast/sessions-transcripts';
import { isDomainError } from '@holdfast/platform-errors';
import { CreateSessionFlow } from './create-session.flow.js';

/** Where an envelope was captured when nobody says: a home that no machine has. */
const UNKNOWN_HOME = '/var/empty';

/** Files of one conversation that are at hand. */
export interface ConversationAtHand {
  open: SessionNativeSaveOpen;
  files: FileAtHand[];
  save_point: SavePoint;
}

/**
 * Who may save a native transcript, and when: an attempt of a turn while it is live, held by the fence; a user while no
 * turn of the session is, so that a push and a harness never write the same conversation.
 */
@Injectable()
export class SaveNativeFlow {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly fences: SessionFences,
    private readonly turns: SessionTurnsService,
    private readonly sessions: CreateSessionFlow,
    private readonly access: SessionAccess,
    private readonly saves: NativeSavesService,
    private readonly reader: NativeTranscriptsReader,
  ) {}

  /**
   * A push to an unknown session makes it. Errors: as `admit`; credential_scope, session_archived, version_conflict,
   * native_part_refused.
   */
  open(
    principal: Principal,
    open: SessionNativeSaveOpen,
    precondition: NativePrecondition,
  ): Promise<SessionNativeSave> {
    const writer = writerOf(principal, open);
    if (open.branch?.becomes_main && writer.kind === 'user') {
      throw CredentialKind({ expected: ['turn'], actual: principal.kind });
    }
    const session = { project_id: principal.project_id, session_id: open.session_id };
    return this.unitOfWork.run(async (tx) => {
      if (writer.kind === 'user') {
        const opened = await this.sessions.within(tx, session, {}, writer.by_id);
        // Somebody else may have made it, for themselves, since this request was let in.
        if (!opened.created) await this.access.require(principal, session.session_id, 'executor', tx);
        if (opened.session.archived_at !== null) throw SessionArchived({ session_id: session.session_id });
      }
      await this.admit(writer)(tx, session);
      return this.saves.open(tx, writer, session, open, precondition);
    });
  }

  /** Errors: as `admit`; those of the save. */
  async append(
    principal: Principal,
    save_id: string,
    part: SessionNativePart,
    body: Buffer,
  ): Promise<SessionNativeChunk> {
    const writer = writerOf(principal);
    await this.requireReach(principal, save_id);
    return this.saves.append(principal.project_id, writer, save_id, part, body, this.admit(writer));
  }

  /** Errors: as `admit`; those of the save. */
  async finish(principal: Principal, save_id: string, finish: SessionNativeSaveFinish): Promise<SessionNativeVersion> {
    const writer = writerOf(principal);
    await this.requireReach(principal, save_id);
    return this.saves.finish(principal.project_id, writer, save_id, finish, this.admit(writer));
  }

  /** Saves what an envelope holds, like a push. Errors: envelope_invalid; those of a save. */
  async setEnvelope(principal: Principal, set: SessionNativeEnvelopeSet, json: unknown): Promise<SessionNativeVersion> {
    const { session_id, format, home = UNKNOWN_HOME, root = `${home}/.harness` } = set;
    const { harness, native_id, cwd, files, harness_version, started_at } = opened(format, json);
    const origin = { home, root, cwd };
    const open = {
      session_id,
      harness,
      native_id,
      origin,
      ...(harness_version && { harness_version }),
      ...(started_at && /^[12]\d{3}-/.test(started_at) && { started_at }),
      ...(principal.kind === 'turn' && { turn_id: principal.turn.turn_id, epoch: principal.turn.epoch }),
    };
    return this.saveContent(principal, { open, files, save_point: 'push' });
  }

  /** Saves files that are at hand: as a first version, on top of the main branch, or as a branch where their past differs. */
  async saveContent(
    principal: Principal,
    { open, files, save_point }: ConversationAtHand,
  ): Promise<SessionNativeVersion> {
    const { session_id, harness, native_id, origin } = open;
    const stored = await this.stored(principal.project_id, { session_id, harness, native_id });
    const from = { harness: nativeHarness(harness)!, native_id, origin };
    const difference = await differenceOf(from, files, stored?.files ?? []);
    const version = stored?.version.version;
    const { save_id } = await this.open(
      principal,
      {
        ...open,
        ...(version && difference.diverged.length && { branch: { from_version: version, keep: difference.diverged } }),
      },
      version ? { create: false, version } : { create: true },
    );
    for (const { name, mode, chunk } of difference.parts) {
      const { from_line, lines, digest, data } = chunk;
      const sha256 = createHash('sha256').update(data).digest('hex');
      await this.append(principal, save_id, { name, mode, from_line, lines, digest, sha256 }, data);
    }
    return this.finish(principal, save_id, { files: difference.files, save_point });
  }

  /** A save of a session out of reach is like none. A turn's are found by the turn. Errors: native_save_not_found. */
  private async requireReach(principal: Principal, save_id: string): Promise<void> {
    if (principal.kind === 'turn') return;
    const session_id = await this.saves.sessionOf(principal.project_id, save_id);
    if (session_id === undefined) throw NativeSaveNotFound({ save_id });
    const reached = await this.access.reached(principal, [session_id]);
    if (!reached.has(session_id)) throw NativeSaveNotFound({ save_id });
  }

  private async stored(
    project_id: string,
    selector: { session_id: string; harness: string; native_id: string },
  ): Promise<SessionNativeManifest | undefined> {
    try {
      return await this.reader.fetchManifest({ project_id, session_id: null }, selector);
    } catch (error) {
      if (isDomainError(error, 'resume_state_missing') || isDomainError(error, 'harness_mismatch')) return undefined;
      throw error;
    }
  }

  /** Errors: of a turn stale_epoch, turn_not_found, turn_not_live; of a user session_in_use, session_not_found. */
  admit(writer: NativeWriter): Admission {
    return async (tx: Transaction, session: SessionKey) => {
      const { project_id, session_id } = session;
      if (writer.kind === 'turn') {
        const { turn_id, epoch } = writer;
        await this.fences.hold(tx, { project_id, session_id, turn_id, epoch });
        await this.turns.requireLive(tx, { project_id, session_id, turn_id, epoch });
        return;
      }
      await this.fences.share(tx, { project_id, session_id });
      const live = await this.turns.liveTurn(tx, { project_id, session_id });
      if (live) throw SessionInUse({ session_id, turn_id: live.turn_id, status: live.status });
    };
  }
}

/** Who saves. A turn's credential speaks for its own attempt, a user for no turn. Errors: credential_scope. */
export function writerOf(
  principal: Principal,
  named: { session_id?: string; turn_id?: string; epoch?: number } = {},
): NativeWriter {
  const { session_id, turn_id, epoch } = named;
  requireTurnScope(principal, { session_id, turn_id, epoch });
  if (principal.kind === 'turn') return { kind: 'turn', ...turnOf(principal.turn) };
  if (turn_id !== undefined || epoch !== undefined) {
    const turn = { session_id: session_id ?? '', turn_id: turn_id ?? '', epoch: epoch ?? 0 };
    throw CredentialScope({ turn, field: 'turn_id' });
  }
  return { kind: 'user', by_id: principal.key_id };
}

const turnOf = ({ turn_id, epoch }: { turn_id: string; epoch: number }) => ({ turn_id, epoch });

const ENVELOPE_FORMATS: readonly string[] = ['native', 'claude_code_cli', 'codex_cli'] satisfies EnvelopeFormat[];

function opened(format: string, json: unknown): OpenedEnvelope {
  if (!ENVELOPE_FORMATS.includes(format)) {
    throw EnvelopeInvalid({ reason: `"${format}" is no format; send ${ENVELOPE_FORMATS.join(', ')}.` });
  }
  const envelope = read(format as EnvelopeFormat, json);
  const fault = faultOf(envelope);
  if (fault) throw EnvelopeInvalid({ reason: fault });
  return envelope;
}

function read(format: EnvelopeFormat, json: unknown): OpenedEnvelope {
  try {
    return fromEnvelope(format, json);
  } catch (error) {
    // What JSON.stringify throws where it has no stack left.
    if (error instanceof RangeError) throw EnvelopeInvalid({ reason: 'It is nested too deep.' }, { cause: error });
    if ((error as { code?: string }).code !== 'conversation_load_failed') throw error;
    throw EnvelopeInvalid({ reason: (error as Error).message }, { cause: error });
  }
}

/** What a save would not take of it. */
function faultOf({ harness, native_id, cwd, harness_version, files }: OpenedEnvelope): string | undefined {
  if (!nativeHarness(harness)?.isNativeId(native_id)) return `"${harness}" has no conversations like "${native_id}".`;
  if (!isStorableText(cwd) || cwd.length > 4096) return 'Its working directory is no path.';
  if (harness_version !== null && !isStorableText(harness_version)) return 'The version of its program is no text.';
  const name = files.find((file) => !isFileName(file.name))?.name;
  return name === undefined ? undefined : `It has a file named ${JSON.stringify(name)}.`;
}
