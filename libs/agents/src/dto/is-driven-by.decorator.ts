import { ValidateBy } from 'class-validator';

/** Refuses the drive `cli` for other harnesses than these, and together with a command, which would speak ACP. */
export function IsDrivenBy(cliHarnesses: readonly string[]): PropertyDecorator {
  return ValidateBy({
    name: 'isDrivenBy',
    validator: {
      validate: (drive, args) => {
        const { harness, command } = args!.object as { harness: string; command?: unknown };
        return drive !== 'cli' || (cliHarnesses.includes(harness) && (command ?? null) === null);
      },
      defaultMessage: () =>
        `$property "cli" goes with the harnesses ${cliHarnesses.join(', ')}, and without a command of the agent`,
    },
  });
}
