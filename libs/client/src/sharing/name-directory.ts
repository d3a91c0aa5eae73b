export const ORCHESTRATOR = 'Orchestrator';
/** For an agent that nobody has named. */
export const AGENT = 'Agent';
/** For an id that nothing is known of; it is nobody's, least of all the orchestrator's. */
export const UNKNOWN_AGENT = 'Unknown agent';

/** Most names looked up at once. */
const BATCH = 200;

/** What the agents are called that the viewed sessions and messages refer to. Knowing a name opens nothing. */
export class NameDirectory {
  private readonly names = new Map<string, string>();
  private readonly asked = new Set<string>();
  private orchestrator: string | null = null;

  /** `lookUp` gives those names that the viewer may know. */
  constructor(private readonly lookUp: (task_ids: string[]) => Promise<{ task_id: string; name: string }[]>) {}

  /** The agent at the top of the tree that is viewed. */
  orchestratedBy(task_id: string | null): void {
    this.orchestrator = task_id;
  }

  learn(names: Iterable<{ task_id: string; name: string | null }>): void {
    for (const { task_id, name } of names) this.names.set(task_id, name?.trim() || AGENT);
  }

  nameOf(task_id: string): string {
    if (task_id === this.orchestrator) return ORCHESTRATOR;
    return this.names.get(task_id) ?? UNKNOWN_AGENT;
  }

  /** Asks for those that are not known, each once. Those that stay unknown may come later by themselves. */
  async resolve(task_ids: Iterable<string>): Promise<void> {
    const missing = [...new Set(task_ids)].filter(
      (id) => id !== this.orchestrator && !this.names.has(id) && !this.asked.has(id),
    );
    for (let start = 0; start < missing.length; start += BATCH) {
      const batch = missing.slice(start, start + BATCH);
      for (const id of batch) this.asked.add(id);
      try {
        this.learn(await this.lookUp(batch));
      } catch {
        for (const id of batch) this.asked.delete(id);
      }
    }
  }
}
