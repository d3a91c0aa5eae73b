import { Injectable } from '@nestjs/common';
import { TurnCredentials } from '@holdfast/platform-auth';
import {
  parseTurnBeat,
  RunnerCommandsReader,
  TurnBeatsService,
  type RunnerReplica,
  type SessionTurnBeatAnswer,
  type SessionTurnBeatAnswers,
  type SessionTurnBeats,
  type TurnBeat,
} from '@holdfast/sessions-streams';

/** Renews the leases of a replica's turns, the credentials of those that it still owns, and brings what it missed. */
@Injectable()
export class BeatTurnsFlow {
  constructor(
    private readonly beats: TurnBeatsService,
    private readonly commands: RunnerCommandsReader,
    private readonly credentials: TurnCredentials,
  ) {}

  /** One answer for each beat, in their order; a malformed one has its own. Errors: replica_unknown. */
  async run(
    runner: RunnerReplica,
    { turns, control_offset }: Pick<SessionTurnBeats, 'turns' | 'control_offset'>,
  ): Promise<SessionTurnBeatAnswers> {
    const parsed = turns.map(parseTurnBeat);
    const beats = parsed.flatMap((entry) => ('beat' in entry ? [entry.beat] : []));
    const outcomes = await this.beats.beat(runner, beats, control_offset);
    const outcomeOf = new Map(beats.map((beat, index) => [beat, outcomes[index]!]));
    const answers = await Promise.all(
      parsed.map(async (entry): Promise<SessionTurnBeatAnswer> => {
        const { turn_id, epoch } = entry;
        if ('fault' in entry) {
          return { turn_id, epoch, is_current: false, error: { code: 'beat_malformed', message: entry.fault } };
        }
        const { credential_due, ...outcome } = outcomeOf.get(entry.beat)!;
        return {
          turn_id,
          epoch,
          ...outcome,
          ...(outcome.is_current && credential_due && { credential: await this.newCredential(runner, entry.beat) }),
        };
      }),
    );
    const { project_id, replica_id } = runner;
    const commands =
      control_offset === undefined ? [] : await this.commands.after(project_id, replica_id, control_offset);
    return { turns: answers, commands };
  }

  private newCredential({ project_id, key_id }: RunnerReplica, beat: TurnBeat): Promise<string> {
    const { session_id, turn_id, epoch } = beat;
    return this.credentials.mint({ project_id, key_id, session_id, turn_id, epoch });
  }
}
