import { defineError } from '@holdfast/platform-errors';

export const AgentNotFound = defineError<{ name: string }>({
  code: 'agent_not_found',
  kind: 'not-found',
  title: 'Agent not found',
  detail: ({ name }) => `There is no agent "${name}" in this project. Set it first.`,
});

export const AgentRevisionNotFound = defineError<{ name: string; revision?: number }>({
  code: 'agent_revision_not_found',
  kind: 'not-found',
  title: 'Agent revision not found',
  detail: ({ name, revision }) =>
    `Agent "${name}" has no revision ${revision}. Leave the revision out to get the current one.`,
});
