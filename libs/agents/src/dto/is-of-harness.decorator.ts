import { ValidateBy } from 'class-validator';

/** Refuses a property that was given, unless it belongs to the harness. */
export function IsOfHarness(belongsTo: (harness: unknown) => boolean): PropertyDecorator {
  return ValidateBy({
    name: 'isOfHarness',
    validator: {
      validate: (_, args) => belongsTo((args!.object as { harness: unknown }).harness),
      defaultMessage: (args) => `$property does not go with harness "${(args!.object as { harness: string }).harness}"`,
    },
  });
}
