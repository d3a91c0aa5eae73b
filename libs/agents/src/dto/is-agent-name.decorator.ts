import { Matches } from 'class-validator';

/** Names of agents and of pools. */
export const AGENT_NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export function IsAgentName(): PropertyDecorator {
  return Matches(AGENT_NAME_PATTERN, {
    message: '$property must be 1 to 64 lower-case letters, digits, "_" or "-", and begin with a letter or a digit',
  });
}
