import { defineError } from '@holdfast/platform-errors';

export const AgentNotFound = defineError<{ name: string }>({
  code: 'agent_not_found',
  kind: 'not-found',
  title: 'Agent not found',
  detail: ({ name }) => `There is no agent "${name}" in this project. Set it first.`,
});

/** The start of a turn whose agent asks nobody, in a project that does not allow it. */
export const ApprovalBypassNotAllowed = defineError<{ name: string; revision: number }>({
  code: 'approval_bypass_not_allowed',
  kind: 'forbidden',
  title: 'Bypass of approvals not allowed',
  detail: ({ name, revision }) =>
    `Revision ${revision} of agent "${name}" has approvals "bypass", which this project does not allow. ` +
    'Allow it with PATCH /v1/project/settings, or set the agent with other approvals.',
});

/** `allowable`: the reach of this installation is all that stands against it. */
export const PushUrlRejected = defineError<{ reason: string; allowable: boolean }>({
  code: 'push_url_rejected',
  kind: 'invalid',
  title: 'Push URL rejected',
  detail: ({ reason, allowable }) =>
    `push_url ${reason}.${allowable ? ' PUSH_ALLOW_PRIVATE of the api and the workers allows private networks.' : ''}`,
});

export const AgentRevisionNotFound = defineError<{ name: string; revision?: number }>({
  code: 'agent_revision_not_found',
  kind: 'not-found',
  title: 'Agent revision not found',
  detail: ({ name, revision }) =>
    `Agent "${name}" has no revision ${revision}. Leave the revision out to get the current one.`,
});
