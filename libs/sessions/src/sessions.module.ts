import { Module, type DynamicModule } from '@nestjs/common';
import { AgentsModule } from '@holdfast/agents';
import { DurableStreamsModule, type DurableStreamsConfig } from '@holdfast/durable-streams';
import { SessionsDirectoryModule } from '@holdfast/sessions-directory';
import { SessionsInteractionsModule } from '@holdfast/sessions-interactions';
import { SessionsStreamsModule, type StreamsConfig } from '@holdfast/sessions-streams';
import { SessionsTranscriptsModule } from '@holdfast/sessions-transcripts';
import { LiveSessionTurns, SessionInteractionLog, SessionTurnControl } from './bindings/interaction-ports.js';
import { LogEventSource, LogProjectionProgress, SessionLogTails } from './bindings/transcript-sources.js';
import { ClaimTurnsFlow } from './flows/claim-turns.flow.js';
import { CompleteTurnFlow } from './flows/complete-turn.flow.js';
import { CreateSessionFlow } from './flows/create-session.flow.js';
import { EndTurnFlow } from './flows/end-turn.flow.js';
import { InvokeSessionFlow } from './flows/invoke-session.flow.js';
import { PrepareInvoke } from './flows/prepare-invoke.js';
import { ProjectLaggingLogsFlow } from './flows/project-lagging-logs.flow.js';
import { SweepOverdueTurnsFlow } from './flows/sweep-overdue-turns.flow.js';

const flows = [
  CreateSessionFlow,
  PrepareInvoke,
  InvokeSessionFlow,
  ClaimTurnsFlow,
  EndTurnFlow,
  CompleteTurnFlow,
  SweepOverdueTurnsFlow,
  ProjectLaggingLogsFlow,
];

/** The one place that sees every domain: binds what each needs to what another answers, and hosts what changes several. */
@Module({})
export class SessionsModule {
  static forRoot(streamsConfig: StreamsConfig, logConfig: DurableStreamsConfig): DynamicModule {
    const log = DurableStreamsModule.forRoot(logConfig);
    const streams = SessionsStreamsModule.forRoot(streamsConfig);
    const interactions = SessionsInteractionsModule.register({
      imports: [streams],
      ports: { interactionLog: SessionInteractionLog, turnControl: SessionTurnControl, liveTurns: LiveSessionTurns },
    });
    const transcripts = SessionsTranscriptsModule.register({
      imports: [streams],
      ports: {
        eventSource: LogEventSource,
        projectionProgress: LogProjectionProgress,
        logTail: SessionLogTails,
      },
    });
    const domains = [log, AgentsModule, SessionsDirectoryModule, streams, interactions, transcripts];
    return { module: SessionsModule, imports: domains, providers: flows, exports: [...domains, ...flows] };
  }
}
