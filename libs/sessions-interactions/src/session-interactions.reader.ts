import { Injectable } from '@nestjs/common';
import { decodeCursor, encodeCursor } from '@holdfast/platform-http';
import { UnitOfWork, type SessionFilter } from '@holdfast/platform-postgres';
import type { SessionInteractionPage, SessionInteractionQuery } from './dto/session-interaction-query.dto.js';
import type { SessionInteraction } from './dto/session-interaction.dto.js';
import { toSessionInteraction } from './session-interaction.mapper.js';
import { SessionInteractionsRepository } from './session-interactions.repository.js';
import { InteractionNotFound } from './sessions-interactions.errors.js';

/** Answers what agents have asked, and what became of it. */
@Injectable()
export class SessionInteractionsReader {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly interactions: SessionInteractionsRepository,
  ) {}

  /** Errors: interaction_not_found. */
  async fetch(project_id: string, interaction_id: string): Promise<SessionInteraction> {
    const row = await this.interactions.find(this.unitOfWork, { project_id, id: interaction_id });
    if (!row) throw InteractionNotFound({ interaction_id });
    return toSessionInteraction(row);
  }

  /** Newest first, of the sessions that `isSeen` lets through. Errors: cursor_malformed. */
  async query(
    project_id: string,
    query: SessionInteractionQuery,
    isSeen?: SessionFilter,
  ): Promise<SessionInteractionPage> {
    const before = decodeCursor(query.cursor, { id: 'uuid' });
    const rows = await this.interactions.list(project_id, query, before?.id, query.limit + 1, isSeen);
    const page = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? page.at(-1) : undefined;
    return { data: page.map(toSessionInteraction), next_cursor: last ? encodeCursor({ id: last.id }) : null };
  }
}
