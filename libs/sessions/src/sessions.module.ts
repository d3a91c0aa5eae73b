import { Module, type DynamicModule } from '@nestjs/common';
import { AgentsModule } from '@holdfast/agents';
import { DurableStreamsModule, type DurableStreamsConfig } from '@holdfast/durable-streams';
import { SessionsDirectoryModule } from '@holdfast/sessions-directory';
import { SessionsInteractionsModule } from '@holdfast/sessions-interactions';
import { SessionsStreamsModule, type StreamsConfig } from '@holdfast/sessions-streams';
import {
  DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
  SessionsTranscriptsModule,
  type NativeTranscriptsConfig,
  type RedactionRule,
} from '@holdfast/sessions-transcripts';
import { SessionsSharingModule } from '@holdfast/sessions-sharing';
import { SessionsTriggersModule } from '@holdfast/sessions-triggers';
import { SessionDeliveredTurns } from './bindings/delivered-turns.js';
import { LiveSessionTurns, SessionInteractionLog, SessionTurnControl } from './bindings/interaction-ports.js';
import { JoinableSessions } from './bindings/joinable-sessions.js';
import { HeldSessions, SessionSharingLog } from './bindings/sharing-ports.js';
import { LogEventSource, LogProjectionProgress, SessionLogTails } from './bindings/transcript-sources.js';
import { SavedNativeConversations } from './bindings/saved-conversations.js';
import { TurnFollowers } from './bindings/turn-followers.js';
import { TurnsOfTasks } from './bindings/turn-tasks.js';
import { ArchiveSessionFlow } from './flows/archive-session.flow.js';
import { BeatTurnsFlow } from './flows/beat-turns.flow.js';
import { AwaitStartFlow } from './flows/await-start.flow.js';
import { ClaimTurnsFlow } from './flows/claim-turns.flow.js';
import { CompleteTurnFlow } from './flows/complete-turn.flow.js';
import { ConvertNativeFlow } from './flows/convert-native.flow.js';
import { CreateSessionFlow } from './flows/create-session.flow.js';
import { DeleteSessionFlow } from './flows/delete-session.flow.js';
import { DetachWatcherFlow } from './flows/detach-watcher.flow.js';
import { EndHost } from './flows/end-host.js';
import { EndTurnFlow } from './flows/end-turn.flow.js';
import { HandOverTurnFlow } from './flows/hand-over-turn.flow.js';
import { InvokeSessionFlow } from './flows/invoke-session.flow.js';
import { KillSessionFlow } from './flows/kill-session.flow.js';
import { LocalRuns } from './flows/local-runs.js';
import { MergePromptFlow } from './flows/merge-prompt.flow.js';
import { PrepareInvoke } from './flows/prepare-invoke.js';
import { ProjectLaggingLogsFlow } from './flows/project-lagging-logs.flow.js';
import { RunAgentsFlow } from './flows/run-agents.flow.js';
import { SaveNativeFlow } from './flows/save-native.flow.js';
import { SessionInboxFlow } from './flows/session-inbox.flow.js';
import { StartPushTurnFlow } from './flows/start-push-turn.flow.js';
import { SteerTurn } from './flows/steer-turn.js';
import { StopSession } from './flows/stop-session.js';
import { StopTasksFlow } from './flows/stop-tasks.flow.js';
import { SweepOverdueTurnsFlow } from './flows/sweep-overdue-turns.flow.js';
import { PushClient } from './push/push-client.js';
import { DEFAULT_PUSH_CONFIG, PushConfig } from './push/push.config.js';

const flows = [
  CreateSessionFlow,
  PrepareInvoke,
  LocalRuns,
  SteerTurn,
  InvokeSessionFlow,
  AwaitStartFlow,
  StopSession,
  StopTasksFlow,
  EndHost,
  KillSessionFlow,
  ArchiveSessionFlow,
  DeleteSessionFlow,
  DetachWatcherFlow,
  SessionInboxFlow,
  ClaimTurnsFlow,
  BeatTurnsFlow,
  EndTurnFlow,
  CompleteTurnFlow,
  HandOverTurnFlow,
  MergePromptFlow,
  SweepOverdueTurnsFlow,
  StartPushTurnFlow,
  ProjectLaggingLogsFlow,
  RunAgentsFlow,
  SaveNativeFlow,
  ConvertNativeFlow,
];

/** The one place that sees every domain: binds what each needs to what another answers, and hosts what changes several. */
@Module({})
export class SessionsModule {
  static forRoot(
    streamsConfig: StreamsConfig,
    logConfig: DurableStreamsConfig,
    pushConfig: PushConfig = DEFAULT_PUSH_CONFIG,
    nativeConfig: NativeTranscriptsConfig = DEFAULT_NATIVE_TRANSCRIPTS_CONFIG,
    redactionRules: readonly RedactionRule[] = [],
  ): DynamicModule {
    const log = DurableStreamsModule.forRoot(logConfig);
    const streams = SessionsStreamsModule.forRoot(streamsConfig, {
      turnMilestones: TurnFollowers,
      savedConversations: SavedNativeConversations,
    });
    const interactions = SessionsInteractionsModule.register({
      imports: [streams],
      ports: { interactionLog: SessionInteractionLog, turnControl: SessionTurnControl, liveTurns: LiveSessionTurns },
    });
    const transcripts = SessionsTranscriptsModule.register({
      imports: [streams],
      native: nativeConfig,
      redactionRules,
      ports: {
        eventSource: LogEventSource,
        projectionProgress: LogProjectionProgress,
        logTail: SessionLogTails,
      },
    });
    const triggers = SessionsTriggersModule.register({
      imports: [streams],
      ports: { deliveredTurns: SessionDeliveredTurns },
    });
    const sharing = SessionsSharingModule.register({
      imports: [streams, SessionsDirectoryModule],
      ports: {
        sharingLog: SessionSharingLog,
        sharedSessions: HeldSessions,
        joinedSessions: JoinableSessions,
        taskSessions: TurnsOfTasks,
      },
    });
    const agents = AgentsModule.forRoot({ pushReach: pushConfig.reach });
    const domains = [log, agents, SessionsDirectoryModule, streams, interactions, transcripts, triggers, sharing];
    const push = [{ provide: PushConfig, useValue: pushConfig }, PushClient];
    return {
      module: SessionsModule,
      imports: domains,
      providers: [...push, ...flows],
      exports: [...domains, ...flows],
    };
  }
}
