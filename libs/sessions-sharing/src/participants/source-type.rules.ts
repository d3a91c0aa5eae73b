import type { SessionSourceType } from '../shares/dto/session-share-source.dto.js';
import type { SessionJoin, SourceTypeFormat } from './dto/session-join.dto.js';

/** Where a share says that it comes from, as it is kept. */
export interface SharedSource {
  source_type: 'user' | 'ambient_agent';
  ambient_task_id: string | null;
  source_task_id: string | null;
}

/** What is known of the task of a session. */
export interface SourceTask {
  task_id: string;
  location: 'local' | 'remote';
}

/**
 * Where a session comes from for somebody who looks at it. The host of a share has what its share says; what is reached
 * from there is of the same kind, of the agent that works in it. Without a share: an agent of a pool is ambient, all
 * else is a user's.
 */
export function sourceOf(share: SharedSource | null, task: SourceTask | null, isHost: boolean): SharedSource {
  if (share && isHost) {
    // Sidecar first, then the variant's own id, as those have it that know of no sidecar.
    const source_task_id = share.source_task_id ?? share.ambient_task_id ?? task?.task_id ?? null;
    return { ...share, source_task_id };
  }
  const source_type = share?.source_type ?? (task?.location === 'remote' ? 'ambient_agent' : 'user');
  const source_task_id = task?.task_id ?? null;
  return { source_type, source_task_id, ambient_task_id: source_type === 'ambient_agent' ? source_task_id : null };
}

/** `"user"`, a bare string for ever, or the agent. */
export function detailedSourceType({ source_type, ambient_task_id }: SharedSource): SessionSourceType {
  return source_type === 'user' ? 'user' : { ambient_agent: { task_id: ambient_task_id } };
}

/** The fields of an answer. A viewer that knows only bare words gets one, and the full form beside it. */
export function sourceFields(
  source: SharedSource,
  format: SourceTypeFormat,
): Pick<SessionJoin, 'source_type' | 'detailed_source_type' | 'source_task_id'> {
  const detailed = detailedSourceType(source);
  return {
    source_type: format === 'unit' ? source.source_type : detailed,
    detailed_source_type: format === 'unit' ? detailed : null,
    source_task_id: source.source_task_id,
  };
}
