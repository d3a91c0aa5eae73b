import type { AgentExit, AgentProcess } from '../agent-process.js';
import type { AgentLife } from '../driven-agent.js';

const neverStarted: AgentExit = {
  code: null,
  signal: null,
  expired: false,
  exceeded: null,
  left: 0,
  startFailure: null,
};

/** The life of an agent whose process starts only with its prompt, and may be ended before. */
export class CliLife implements AgentLife {
  readonly exited: Promise<AgentExit>;
  readonly died: Promise<void>;

  private started: AgentProcess | undefined;
  private isOver = false;
  private tellExit: (exit: AgentExit) => void = () => undefined;
  private tellDeath: () => void = () => undefined;

  constructor() {
    this.exited = new Promise((resolve) => (this.tellExit = resolve));
    this.died = new Promise((resolve) => (this.tellDeath = resolve));
  }

  get isLive(): boolean {
    return this.started?.isLive ?? false;
  }

  get stderrTail(): string {
    return this.started?.stderrTail ?? '';
  }

  extend(ms: number): void {
    this.started?.extend(ms);
  }

  end(graceMs: number): void {
    if (this.started) this.started.end(graceMs);
    else this.conclude(neverStarted);
  }

  /** Begins with a process; undefined when it was ended before. */
  start(launch: () => AgentProcess): AgentProcess | undefined {
    if (this.isOver) return undefined;
    this.started = launch();
    void this.started.died.then(this.tellDeath);
    return this.started;
  }

  /** Says how it ended: after its prompt was told the same. */
  conclude(exit: AgentExit): void {
    this.isOver = true;
    this.tellDeath();
    this.tellExit(exit);
  }
}
