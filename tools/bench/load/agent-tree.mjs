import { randomUUID } from 'node:crypto';
import { Connection } from './connection.mjs';
import { call } from './json-call.mjs';
import { invokeRequest, PlayedRunner } from './played-runner.mjs';

const TASKS = '/v1/sessions/tasks';
const RUN = '/v1/admin/sessions/tasks/run';
const BEAT_MS = 5_000;
/** Most agents that one call starts. */
const AGENTS_A_CALL = 20;
const CLAIM_SECONDS = 20;

/**
 * A tree of agents at work, made as agents make it: the first is invoked and starts the others below itself, those the
 * rest, and played runners have claimed every turn and beat for it. `agents` are their grants, the first of them first.
 */
export class AgentTree {
  agents = [];
  /** The task of the first. */
  root_task_id;
  /** By session. */
  task_ids = new Map();
  #server;
  #runners;
  #calls;
  #beating;

  /** `runners` share `agents` turns evenly; no turn but theirs may be waiting. */
  static async grow(server, { agents, runners }) {
    const tree = new AgentTree();
    await tree.#grow(server, agents, runners);
    return tree;
  }

  async #grow(server, agents, runners) {
    this.#server = server;
    this.#calls = await Connection.open(server.port);
    const capacity = Math.ceil(agents / runners);
    const hired = Array.from({ length: runners }, () => PlayedRunner.register(server, { capacity }));
    this.#runners = (await Promise.all(hired)).map((runner) => ({ runner, grants: [], capacity }));
    this.#beating = setInterval(() => void this.#beat(), BEAT_MS);

    await this.#calls.request(invokeRequest(server, { session_id: `tree-${randomUUID()}`, isDetached: true }));
    await this.#claim(1);
    for (let caller = 0; this.agents.length < agents; caller += 1) {
      const count = Math.min(AGENTS_A_CALL, agents - this.agents.length);
      await this.#startBelow(this.agents[caller], count);
      await this.#claim(count);
    }
    const root = await call(this.#calls, server, `${TASKS}/query`, { session_id: this.agents[0].session_id });
    this.root_task_id = root.data[0].task_id;
    this.task_ids.set(this.agents[0].session_id, this.root_task_id);
  }

  async #startBelow({ credential }, count) {
    const agents = Array.from({ length: count }, () => ({ name: `agent-${randomUUID()}`, prompt: 'measure' }));
    const started = await call(this.#calls, this.as(credential), RUN, { agents });
    for (const { error, session_id, task_id } of started.agents) {
      if (error) throw new Error(`an agent was not started: ${JSON.stringify(error)}`);
      this.task_ids.set(session_id, task_id);
    }
  }

  async #claim(count) {
    for (let left = count; left > 0;) {
      const { runner, grants, capacity } = this.#runners.find((one) => one.grants.length < one.capacity);
      const claimed = await runner.claim(Math.min(left, capacity - grants.length), CLAIM_SECONDS);
      if (claimed.length === 0) throw new Error(`${left} turns of a tree wait, and none is given`);
      grants.push(...claimed);
      this.agents.push(...claimed);
      left -= claimed.length;
      await runner.beat(claimed);
    }
  }

  /** The server, with another credential. */
  as(credential) {
    return { port: this.#server.port, authorization: `Bearer ${credential}` };
  }

  async #beat() {
    const working = this.#runners.filter(({ grants }) => grants.length > 0);
    await Promise.all(working.map(({ runner, grants }) => runner.beat(grants)));
  }

  /** Ends every turn. */
  async end() {
    clearInterval(this.#beating);
    for (const { runner, grants } of this.#runners) {
      await Promise.all(grants.map((grant) => runner.complete(grant)));
      runner.close();
    }
    this.#calls.close();
  }
}
