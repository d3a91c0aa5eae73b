/** Why a session is shared, as a share or the answer to a join says it. */
export interface StatedSource {
  source_type?: unknown;
  /** Where `source_type` is a mere word, as older viewers have it. */
  detailed_source_type?: unknown;
  /** Task of the session, whoever shared it. Absent from servers and shares that know of none. */
  source_task_id?: string | null;
}

export interface SessionSource {
  /** Task of the session, whose descendants a viewer may discover; null while there is none. */
  task_id: string | null;
  /** The session runs by itself, started by no one who looks on. A task alone does not make it so. */
  is_ambient: boolean;
}

/** `source_task_id` decides; where it is absent, the task that an ambient source names. */
export function sourceOf({ source_type, detailed_source_type, source_task_id }: StatedSource): SessionSource {
  const stated = detailed_source_type ?? source_type;
  const ambient = stated === 'ambient_agent' ? { task_id: null } : ambientOf(stated);
  return { task_id: source_task_id ?? ambient?.task_id ?? null, is_ambient: ambient !== undefined };
}

function ambientOf(stated: unknown): { task_id?: string | null } | undefined {
  if (typeof stated !== 'object' || stated === null) return undefined;
  return (stated as { ambient_agent?: { task_id?: string | null } }).ambient_agent;
}
