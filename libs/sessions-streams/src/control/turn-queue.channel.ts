/** Signalled when a turn goes in line for a pool. */
export const queueChannel = (project_id: string, pool: string) => `turns:${project_id}:${pool}`;
