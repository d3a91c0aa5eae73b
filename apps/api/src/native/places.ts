/** How much may go on at a time: one project leaves room for others. */
export class Places {
  private readonly taken = new Map<string, number>();
  private all = 0;

  /** `refusal` is told the limit that was reached. */
  constructor(
    private readonly limits: { inAll: number; ofProject: number },
    private readonly refusal: (limit: number) => Error,
  ) {}

  /** Runs `work` in a place. Throws the refusal when there is none. */
  async during<T>(project_id: string, work: () => Promise<T>): Promise<T> {
    const own = this.taken.get(project_id) ?? 0;
    if (this.all >= this.limits.inAll) throw this.refusal(this.limits.inAll);
    if (own >= this.limits.ofProject) throw this.refusal(this.limits.ofProject);
    this.add(project_id, 1);
    try {
      return await work();
    } finally {
      this.add(project_id, -1);
    }
  }

  private add(project_id: string, change: 1 | -1): void {
    const own = (this.taken.get(project_id) ?? 0) + change;
    this.all += change;
    if (own === 0) this.taken.delete(project_id);
    else this.taken.set(project_id, own);
  }
}
