import type { AgentRevision } from '@holdfast/agents';
import {
  controlLogPath,
  logUrlPath,
  sessionLogPath,
  type ClaimedTurn,
  type StreamsConfig,
} from '@holdfast/sessions-streams';

/** The body of the call that starts a turn at a push target: docs/reference/push-target.schema.json. */
export interface PushRequest {
  schema: 'holdfast.push.v1';
  session_id: string;
  turn_id: string;
  attempt: number;
  epoch: number;
  prompt: string;
  agent: { name: string; revision: number };
  model: string | null;
  environment: Record<string, string>;
  approvals: 'ask' | 'deny' | 'bypass';
  resume_agent_session_id: string | null;
  credential: string;
  log_path: string;
  control_path: string;
  heartbeat_path: string;
  interactions_path: string;
  complete_path: string;
  beat_seconds: number;
  lease_seconds: number;
}

export function pushRequest(
  { turn, epoch, resume_agent_session_id }: ClaimedTurn,
  { name, revision, model, environment }: Pick<AgentRevision, 'name' | 'revision' | 'model' | 'environment'>,
  credential: string,
  { beatSeconds, leaseSeconds }: Pick<StreamsConfig, 'beatSeconds' | 'leaseSeconds'>,
): PushRequest {
  const { session_id, turn_id, attempt, prompt, approvals } = turn;
  return {
    schema: 'holdfast.push.v1',
    session_id,
    turn_id,
    attempt,
    epoch,
    prompt,
    agent: { name, revision },
    model,
    environment,
    approvals,
    resume_agent_session_id,
    credential,
    log_path: logUrlPath(sessionLogPath(session_id)),
    // Of whoever owns the turn, which is the turn itself where no runner does.
    control_path: logUrlPath(controlLogPath(turn_id)),
    heartbeat_path: '/v1/admin/sessions/streams/heartbeat',
    interactions_path: '/v1/admin/sessions/interactions',
    complete_path: '/v1/admin/sessions/streams/complete',
    beat_seconds: beatSeconds,
    lease_seconds: leaseSeconds,
  };
}

/** When it was signed, and the Ed25519 signature of what `signedContent` gives. */
export interface PushSignature {
  /** Seconds since 1970. */
  timestamp: string;
  signature: Buffer;
}

/**
 * Signed as Standard Webhooks are, by the asymmetric scheme (standardwebhooks.com, `v1a`). The id of the message is the
 * attempt's, so that a service can tell whether it has seen it.
 */
export function pushHeaders(
  attempt: PushAttempt,
  { timestamp, signature }: PushSignature,
  traceparent: string | null,
): Record<string, string> {
  const id = attemptId(attempt);
  return {
    'content-type': 'application/json',
    accept: 'application/x-ndjson',
    'user-agent': 'Holdfast',
    'idempotency-key': id,
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1a,${signature.toString('base64')}`,
    ...(traceparent !== null && { traceparent }),
  };
}

export const signedContent = (attempt: PushAttempt, timestamp: string, body: Buffer) =>
  Buffer.concat([Buffer.from(`${attemptId(attempt)}.${timestamp}.`), body]);

/** One attempt of one turn. */
export interface PushAttempt {
  turn_id: string;
  epoch: number;
}

const attemptId = ({ turn_id, epoch }: PushAttempt) => `${turn_id}.${epoch}`;
