export { DomainError, defineError, isDomainError } from './domain-error.js';
export type { ErrorDefinition, ErrorKind, ErrorMembers } from './domain-error.js';
