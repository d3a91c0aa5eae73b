/** What Holdfast sends to start a turn: docs/reference/push-target.schema.json. */
export interface PushRequest {
  schema: 'holdfast.push.v1';
  session_id: string;
  turn_id: string;
  attempt: number;
  epoch: number;
  prompt: string;
  credential: string;
  log_path: string;
  control_path: string;
  beat_seconds: number;
  lease_seconds: number;
}

/** Undefined when it is not of the version that this service speaks. */
export function parsePushRequest(body: string): PushRequest | undefined {
  try {
    const request = JSON.parse(body) as PushRequest | null;
    return request?.schema === 'holdfast.push.v1' ? request : undefined;
  } catch {
    return undefined;
  }
}

/** The frames of docs/reference/push-target.schema.json, of which a service answers one. */
export const acceptedFrame = (turn_id: string) => ({ type: 'accepted', turn_id });
export const errorFrame = (code: string, message: string) => ({ type: 'error', code, message });
