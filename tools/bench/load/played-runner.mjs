import { randomUUID } from 'node:crypto';
import { Connection } from './connection.mjs';
import { appendRequest, turnAppendRequest } from './requests.mjs';

const STREAMS = '/v1/admin/sessions/streams';
const INVOKE = '/v1/sessions/streams/invoke';

/**
 * A runner without agents: it says to the api what a runner says. `server` is as for every load, with the
 * `runnerAuthorization` besides.
 */
export class PlayedRunner {
  /** Its id. */
  replica;
  /** Ends it, and whatever it waits for. */
  close;
  #server;
  #claims;
  #calls;

  static async register(server, { capacity }) {
    const runner = new PlayedRunner();
    await runner.#register(server, capacity);
    return runner;
  }

  async #register({ port, runnerAuthorization }, capacity) {
    this.#server = { port, authorization: runnerAuthorization };
    this.replica = randomUUID();
    this.#calls = await Connection.open(port);
    this.close = () => [this.#claims, this.#calls].forEach((connection) => connection?.close());
    await this.#call(this.#calls, 'register', { pools: ['default'], capacity });
  }

  /** Resolves to the grants: as soon as there is one, or to none after `waitSeconds`. */
  async claim(capacity, waitSeconds) {
    // A claim waits for long: what is answered at once must not stand behind it. Opened only now, because a server gives
    // up a connection that asks for nothing.
    this.#claims ??= await Connection.open(this.#server.port);
    return (await this.#call(this.#claims, 'claim', { capacity, wait_seconds: waitSeconds })).turns;
  }

  /** Says that these turns are `running`, or still `starting`; resolves to the answers. */
  async beat(grants, status = 'running') {
    const turns = grants.map(({ session_id, turn_id, epoch }) => ({ session_id, turn_id, epoch, status }));
    return (await this.#call(this.#calls, 'heartbeat', { turns })).turns;
  }

  /** One event of the agent, as batch `seq` of the turn. */
  async say({ log_path, turn_id, epoch, credential }, seq, text) {
    const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } };
    const event = { type: 'agent.update', at: new Date().toISOString(), turn_id, data: update };
    const server = { ...this.#server, authorization: `Bearer ${credential}` };
    await this.#calls.request(turnAppendRequest(server, log_path, JSON.stringify([event]), { epoch, seq }));
  }

  async complete({ session_id, turn_id, epoch, credential }) {
    const body = JSON.stringify({ session_id, turn_id, epoch, status: 'completed', stop_reason: 'end_turn' });
    const server = { ...this.#server, authorization: `Bearer ${credential}` };
    await this.#calls.request(appendRequest(server, `${STREAMS}/complete`, body));
  }

  async #call(connection, operation, fields) {
    const body = JSON.stringify({ replica_id: this.replica, ...fields });
    const { text } = await connection.request(appendRequest(this.#server, `${STREAMS}/${operation}`, body), {
      keepText: true,
    });
    return JSON.parse(text);
  }
}

/** The request that starts a turn of the scripted agent. */
export function invokeRequest(server, { session_id, isDetached }) {
  const agent = { name: 'scripted' };
  const waiting = isDetached ? { start_within_ms: 0 } : {};
  const body = JSON.stringify({ session_id, prompt: 'measure', agent, detached: isDetached, ...waiting });
  return appendRequest(server, INVOKE, body);
}
