import type { PermissionAnswer, PermissionRequest } from './driven-agent.js';
import { outcomeOf } from './permission-desk.js';
import { storableStart } from './storable.js';

const maxTitleLength = 300;

/**
 * The answer to a permission request of an agent whose revision has decided for all of them: nobody is asked. What is denied
 * is told to the readers of the log.
 */
export function standingAnswer(
  approvals: 'deny' | 'bypass',
  request: PermissionRequest,
  onNotice: (notice: { code: string; message: string }) => void,
): PermissionAnswer {
  if (approvals === 'deny') {
    const { title, toolCallId } = request.toolCall;
    const what = storableStart(typeof title === 'string' ? title : toolCallId, maxTitleLength);
    onNotice({
      code: 'permission_denied',
      message: `The agent's approvals are "deny", so it was not allowed: ${what}`,
    });
  }
  const outcome = outcomeOf(approvals === 'deny' ? 'deny' : 'allow', request);
  return { outcome, onDelivered: () => undefined };
}
