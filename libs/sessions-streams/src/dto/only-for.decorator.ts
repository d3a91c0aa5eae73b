import { ValidateBy } from 'class-validator';
import { commandOf, type InvokeCommand } from '../control/session-command.rules.js';

/** Refuses a field beside a command that it says nothing to. */
export function OnlyFor(...commands: InvokeCommand[]): PropertyDecorator {
  return ValidateBy({
    name: 'onlyFor',
    validator: {
      validate: (_, args) => commands.includes(commandOf(args!.object)),
      defaultMessage: (args) => `$property is for ${commands.join(' and ')} only; this is ${commandOf(args!.object)}`,
    },
  });
}

/** Refuses a field of a request that does not say `detached: true`. */
export function OnlyDetached(): PropertyDecorator {
  return ValidateBy({
    name: 'onlyDetached',
    validator: {
      validate: (_, args) => (args!.object as { detached?: boolean }).detached === true,
      defaultMessage: () => '$property is for detached requests only',
    },
  });
}
