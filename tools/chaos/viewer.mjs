import { setMaxListeners } from 'node:events';

/** Follows sessions as a frontend does, and keeps all that it is shown, until `leave`. */
export async function newViewer({ url, apiKey, ledger }) {
  const { HoldfastClient } = await import('@holdfast/client');
  const client = new HoldfastClient({ url, apiKey });
  const leaving = new AbortController();
  setMaxListeners(0, leaving.signal);

  async function follow(session_id, shown) {
    const options = { offset: '-1', signal: leaving.signal };
    try {
      for await (const { offset, event } of client.followSession(session_id, options)) shown.push({ offset, event });
    } catch (error) {
      if (!leaving.signal.aborted) shown.problem = `${error.name}: ${error.message}`;
    }
  }

  return {
    follow(session_id) {
      if (ledger.shown.has(session_id)) return;
      const shown = [];
      ledger.shown.set(session_id, shown);
      void follow(session_id, shown);
    },
    leave: () => leaving.abort(),
  };
}
