import { Connection } from './connection.mjs';
import { EVENT_BYTES } from './event.mjs';
import { turnAppendRequest } from './requests.mjs';

const NUMBER_DIGITS = 12;

/**
 * What one agent says, numbered from 0, written to its session's log under its turn's credential. As a runner does, it
 * gathers what is said while an append is not answered: the next one takes all of it.
 */
export class AgentVoice {
  /** When each event was said (performance.now()). */
  saidAt = [];
  /** Why an append was not taken, if one was not. */
  failure;
  #server;
  #grant;
  #connection;
  #gathered = [];
  #seq = 0;
  #writing;

  static async open(server, grant) {
    const voice = new AgentVoice();
    voice.#server = server;
    voice.#grant = grant;
    voice.#connection = await Connection.open(server.port);
    return voice;
  }

  say() {
    this.#gathered.push(eventOf(this.#grant.turn_id, this.saidAt.length));
    this.saidAt.push(performance.now());
    this.#writing ??= this.#write();
  }

  async #write() {
    const { log_path, epoch } = this.#grant;
    try {
      while (this.#gathered.length > 0) {
        const body = `[${this.#gathered.splice(0).join(',')}]`;
        const seq = this.#seq++;
        await this.#connection.request(turnAppendRequest(this.#server, log_path, body, { epoch, seq }));
      }
    } catch (error) {
      this.failure ??= error.message;
    }
    this.#writing = undefined;
  }

  /** Resolves when everything said was answered. */
  async answered() {
    await this.#writing;
  }

  close() {
    this.#connection.close();
  }
}

function eventOf(turn_id, n) {
  const data = {
    sessionUpdate: 'agent_message_chunk',
    content: { type: 'text', text: '' },
    _meta: { n: String(n).padStart(NUMBER_DIGITS, '0') },
  };
  const event = { type: 'agent.update', at: new Date().toISOString(), turn_id, data };
  data.content.text = 'x'.repeat(Math.max(0, EVENT_BYTES - JSON.stringify(event).length));
  return JSON.stringify(event);
}
