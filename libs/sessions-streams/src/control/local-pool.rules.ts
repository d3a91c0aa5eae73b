/** Before the private pool of a machine, where it stands among the pools of turns: the name of no other pool has a colon. */
export const LOCAL_PREFIX = 'local:';

/** Where turns wait that only one machine may take. No agent names it, and no runner takes it by registering for pools. */
export const localPool = (private_pool: string): string => LOCAL_PREFIX + private_pool;

/** The private pool of the machine that a turn waits for; undefined where it waits for any runner, or for a service. */
export const privatePoolOf = (pool: string | null): string | undefined =>
  pool?.startsWith(LOCAL_PREFIX) ? pool.slice(LOCAL_PREFIX.length) : undefined;

/** For how long no runner of a machine was heard of when turns that wait for it are lost, in seconds. */
export const LOCAL_RUNNER_GONE_SECONDS = 600;
