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
  private isDraining = false;

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
    if (this.isDraining) host.stop('hand_over');
    for (const command of this.early.filter(({ turn_id }) => turn_id === grant.turn_id)) host.obey(command);
    this.early = this.early.filter(({ turn_id }) => turn_id !== grant.turn_id);
    this.changes.tell();
    void host.finished.then(() => this.forget(host));
  }

  obey(command: ControlCommand): void {
    const host = this.hosts.get(command.session_id);
    const isHere = host?.key.turn_id === command.turn_id;
    if (isHere) host.obey(command);
    // A turn that was lost may come back under a new epoch before its attempt here is over.
    if (!isHere || command.epoch > host.key.epoch) this.early = [...this.early, command].slice(-maxEarlyCommands);
  }

  /** Hands all turns over because the runner stops; resolves when none needs it any more. */
  async drain(): Promise<void> {
    this.isDraining = true;
    for (const host of this.all) host.stop('hand_over');
    await Promise.all(this.all.map((host) => host.finished));
  }

  private forget(host: TurnHost): void {
    if (this.hosts.get(host.key.session_id) === host) this.hosts.delete(host.key.session_id);
    this.changes.tell();
  }
}
