const CHECK_EVERY_MS = 500;
/** A frozen api accepts connections, and says nothing. */
const PATIENCE_MS = 3_000;

/** Which apis a balancer may give requests to: it asks each for its readiness, and drops what hangs at one that is not. */
export function apiPool(ports) {
  const apis = ports.map((port) => ({ port, isWell: true, requests: new Set() }));
  let turn = 0;

  async function check(api) {
    const answer = await fetch(`http://127.0.0.1:${api.port}/health/live`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).catch(() => undefined);
    api.isWell = answer?.ok ?? false;
    if (!api.isWell) for (const request of api.requests) request.destroy(new Error('the api does not answer'));
  }

  const checking = setInterval(() => apis.forEach((api) => void check(api)), CHECK_EVERY_MS);
  return {
    next() {
      const well = apis.filter(({ isWell }) => isWell);
      return well[turn++ % well.length];
    },
    /** Notes a request that is under way; gives what forgets it. */
    holds(api, request) {
      api.requests.add(request);
      return () => api.requests.delete(request);
    },
    stop: () => clearInterval(checking),
  };
}
