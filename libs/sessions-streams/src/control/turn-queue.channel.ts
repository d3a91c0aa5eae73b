/** Signalled when a turn goes in line for a pool. */
export const queueChannel = (project_id: string, pool: string) => `turns:${project_id}:${pool}`;

/** The payload of the signal. It names the turn, so that the signals of two turns are never taken for one. */
export const queueSignal = ({ turn_id, labels }: { turn_id: string; labels: string[] }) =>
  JSON.stringify({ turn_id, labels });

/** The labels that the turn of a signal asks for; none when the payload was too long to travel. */
export const labelsOfSignal = (payload: string): string[] =>
  payload === '' ? [] : (JSON.parse(payload) as { labels: string[] }).labels;
