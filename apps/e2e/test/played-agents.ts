import { randomUUID } from 'node:crypto';
import { HoldfastClient, type SessionTask, type SessionTurnGrant } from '@holdfast/client';
import { eventually } from '@holdfast/testing';
import type { Stack } from './stack.js';

/** For whatever needs an api, on a loaded machine; nothing waits for its end. */
export const PATIENCE_MS = 120_000;
/** No agent writes faster than this; nothing depends on it. */
const BETWEEN_LINES_MS = 200;

/** A machine whose agents are played: they have their turns' credentials, and write while anybody listens or nobody. */
export async function startPlayedAgents({ url, client, clientWith, keys }: Stack) {
  const replica_id = randomUUID();
  const private_pool = `m-${randomUUID()}`;
  const machine = clientWith(keys.runner_key).runners;
  const registered = { replica_id, private_pool, pools: ['default'], capacity: 1000 };
  await machine.registerSessionRunner({ SessionRunnerRegister: registered });
  const granted = new Map<string, SessionTurnGrant>();
  const agents: PlayedAgent[] = [];

  /** Takes the turn of a session, and runs it. */
  async function run(session_id: string): Promise<PlayedAgent> {
    await eventually(
      async () => {
        if (granted.has(session_id)) return;
        const { turns } = await machine.claimSessionTurns({
          SessionTurnClaim: { replica_id, capacity: 100, wait_seconds: 5 },
        });
        for (const turn of turns) granted.set(turn.session_id, turn);
        throw new Error(`nobody has started ${session_id} yet`);
      },
      { timeout: PATIENCE_MS },
    );
    const grant = granted.get(session_id)!;
    granted.delete(session_id);
    const { turn_id, epoch } = grant;
    const turns = [{ session_id, turn_id, epoch, status: 'running' as const, agent_session_id: 'played' }];
    await machine.beatSessionTurns({ SessionTurnBeats: { replica_id, turns } });
    const agent = new PlayedAgent(url, grant);
    agents.push(agent);
    return agent;
  }

  const taskOf = async (session_id: string): Promise<SessionTask> =>
    (await client.tasks.querySessionTasks({ SessionTaskQuery: { session_id } })).data[0]!;

  return {
    agents,
    taskOf,
    run,
    /** One that somebody started on this machine. */
    async lead(agent?: { name: string }): Promise<PlayedAgent> {
      const session_id = `s-${randomUUID()}`;
      await client.invoke({ session_id, prompt: 'Lead.', local: { private_pool }, agent });
      return run(session_id);
    },
    /** Those that another one starts with its tool: by turns here, and wherever agents run. */
    async startBelow(parent: PlayedAgent, ...names: string[]): Promise<PlayedAgent[]> {
      const started = await parent.runners.runSessionTaskAgents({
        Idempotency_Key: randomUUID(),
        SessionTaskAgentsRun: {
          agents: names.map((name, index) => ({ name, prompt: 'Write.', mode: index % 2 ? 'remote' : 'local' })),
        },
      });
      const running: PlayedAgent[] = [];
      for (const { session_id } of started.agents) running.push(await run(session_id!));
      return running;
    },
    /** One that a program puts below another one over the api. */
    async addBelow(parent: PlayedAgent, name: string): Promise<PlayedAgent> {
      const session_id = `s-${randomUUID()}`;
      const { task_id } = await taskOf(parent.session_id);
      await client.sessions.createSession({ session_id, SessionCreate: {} });
      await client.tasks.createSessionTask({ SessionTaskCreate: { parent_task_id: task_id, name, session_id } });
      await client.invoke({ session_id, prompt: 'Write.' });
      return run(session_id);
    },
  };
}

export class PlayedAgent {
  readonly session_id: string;
  readonly runners: HoldfastClient['runners'];
  /** Lines that are in the log for good. */
  lines = 0;
  /** Attempts to write that did not get through. */
  cut = 0;
  private isOver = false;
  private isLeft = false;
  private writing = Promise.resolve();

  constructor(
    private readonly url: string,
    readonly grant: SessionTurnGrant,
  ) {
    this.session_id = grant.session_id;
    this.runners = new HoldfastClient({ url, apiKey: grant.credential }).runners;
  }

  /** Writes line after line, each under one sequence number for as long as it takes, until the turn is ended. */
  write(): void {
    this.writing = (async () => {
      while (!this.isOver) {
        await this.say(`line ${this.lines}`);
        await new Promise((resolve) => setTimeout(resolve, BETWEEN_LINES_MS));
      }
    })();
  }

  /** Writes no more, whatever has become of its last line. */
  async leave(): Promise<void> {
    this.isOver = this.isLeft = true;
    await this.writing.catch(() => undefined);
  }

  /** Its last line is in the log. */
  async rest(): Promise<void> {
    this.isOver = true;
    await this.writing;
  }

  async end(outcome: 'completed' | 'failed'): Promise<void> {
    await this.rest();
    const { session_id, turn_id, epoch } = this.grant;
    const error = outcome === 'failed' ? { code: 'agent_failed', message: 'It broke.' } : undefined;
    await this.runners.completeSessionTurn({
      SessionTurnComplete: { session_id, turn_id, epoch, status: outcome, ...(error && { error }) },
    });
  }

  /** In the log when it resolves, and there once, however often it was tried. */
  async say(text: string): Promise<void> {
    const { session_id, turn_id, epoch, credential } = this.grant;
    const data = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
    const body = JSON.stringify([{ type: 'agent.update', at: new Date().toISOString(), turn_id, data }]);
    const headers = {
      authorization: `Bearer ${credential}`,
      'content-type': 'application/json',
      'producer-id': 'runner',
      'producer-epoch': String(epoch),
      'producer-seq': String(this.lines),
    };
    await eventually(
      async () => {
        if (this.isLeft) return;
        const attempt = fetch(`${this.url}/v1/stream/sessions/${session_id}/events`, { method: 'POST', headers, body });
        attempt.catch(() => (this.cut += 1));
        const response = await attempt;
        if (!response.ok) throw new Error(await response.text());
      },
      { timeout: PATIENCE_MS },
    );
    this.lines += 1;
  }
}
