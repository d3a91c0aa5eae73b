import { ValidateBy } from 'class-validator';
import { ORCHESTRATOR, PARENT } from '../../messages/task-message.rules.js';

const RESERVED: unknown[] = [PARENT, ORCHESTRATOR];

/** What a task may be shown as: not as those whom messages name by what they are to each other. */
export function IsTaskName(): PropertyDecorator {
  return ValidateBy({
    name: 'isTaskName',
    validator: {
      validate: (value) => typeof value !== 'string' || !RESERVED.includes(value.trim().toLowerCase()),
      defaultMessage: () =>
        `$property must not be "${PARENT}" or "${ORCHESTRATOR}": messages name other tasks by these words`,
    },
  });
}
