import type { SessionTurnGrant } from '@holdfast/client';
import { ChangeSignal } from './change-signal.js';
import type { ControlCommand } from './control-plane.js';
import { TurnHost } from './turn-host.js';
import type { TurnSurroundings } from './turn-surroundings.js';

const maxEarlyCommands = 100;

/** The turns that this runner hosts now. */
export class HostedTurns {
  private readonly hosts = new Map<string, TurnHost>();
  private readonly changes = new ChangeSignal();
  /** A command may overtake the claim that grants its turn. */
  private early: ControlCommand[] = [];

  constructor(private readonly around: TurnSurroundings) {}

  get size(): number {
    return this.hosts.size;
  }

  get all(): readonly TurnHost[] {
    return [...this.hosts.values()];
  }

  /** Resolves when a turn was added or is over. */
  changed(): Promise<void> {
    return this.changes.next();
  }

  start(grant: SessionTurnGrant): void {
    // The api grants a session only when its turn before is over, whatever this runner still thinks of it.
    const before = this.hosts.get(grant.session_id);
    before?.lose();
    const host = new TurnHost(grant, this.around, before?.finished ?? Promise.resolve());
    this.hosts.set(grant.session_id, host);
    for (const command of this.early.filter(({ turn_id }) => turn_id === grant.turn_id)) host.obey(command);
    this.early = this.early.filter(({ turn_id }) => turn_id !== grant.turn_id);
    this.changes.tell();
    void host.finished.then(() => this.forget(host));
  }

  obey(command: ControlCommand): void {
    const host = this.hosts.get(command.session_id);
    if (host?.key.turn_id === command.turn_id) host.obey(command);
    else this.early = [...this.early, command].slice(-maxEarlyCommands);
  }

  /** Stops all turns because the runner stops; resolves when they are over. */
  async stop(): Promise<void> {
    for (const host of this.all) host.stop('runner_stopped');
    await Promise.all(this.all.map((host) => host.finished));
  }

  private forget(host: TurnHost): void {
    if (this.hosts.get(host.key.session_id) === host) this.hosts.delete(host.key.session_id);
    this.changes.tell();
  }
}
