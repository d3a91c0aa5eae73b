import type { ControlCommand } from './control-plane.js';
import type { HostedTurns } from './hosted-turns.js';

/** More than a control log and an answer to a beat can have of the same commands. */
const maxRemembered = 10_000;

/** Hands each command to its turn, once, whichever way and however often it comes. */
export class CommandDesk {
  /** Up to where the control log was followed. */
  offset = '-1';
  private readonly taken = new Set<string>();

  constructor(private readonly turns: HostedTurns) {}

  /** `offset` is where the control log goes on after this command, if it came from there. */
  take(command: ControlCommand, offset?: string): void {
    if (!this.taken.has(command.command_id)) this.turns.obey(command);
    this.remember(command.command_id);
    if (offset !== undefined) this.offset = offset;
  }

  private remember(commandId: string): void {
    this.taken.add(commandId);
    const [oldest] = this.taken;
    if (this.taken.size > maxRemembered && oldest !== undefined) this.taken.delete(oldest);
  }
}
