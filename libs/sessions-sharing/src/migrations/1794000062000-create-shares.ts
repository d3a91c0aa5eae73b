import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A share is one row: what it reaches is computed from the tree at each check. Tokens are unique over all projects,
 * because a token is what tells which project a request belongs to.
 */
export class CreateShares1794000062000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE shares (
        project_id uuid NOT NULL,
        share_id uuid NOT NULL,
        session_id text,
        task_id uuid,
        scope text NOT NULL,
        role text NOT NULL,
        token_hash bytea,
        token_prefix text,
        name text,
        source_type text NOT NULL,
        ambient_task_id uuid,
        source_task_id uuid,
        origin text NOT NULL,
        parent_share_id uuid,
        expires_at timestamptz(3),
        ended_at timestamptz(3),
        end_reason text,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        created_by_id uuid,
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_by_id uuid,
        CONSTRAINT shares_pkey PRIMARY KEY (project_id, share_id),
        CONSTRAINT shares_token_hash_key UNIQUE (token_hash),
        CONSTRAINT shares_host_check CHECK (num_nonnulls(session_id, task_id) = 1),
        CONSTRAINT shares_scope_check CHECK (scope IN ('session', 'tree')),
        CONSTRAINT shares_role_check CHECK (role IN ('reader', 'executor', 'full')),
        CONSTRAINT shares_source_type_check CHECK (source_type IN ('user', 'ambient_agent')),
        CONSTRAINT shares_origin_check CHECK (origin IN ('explicit', 'automatic')),
        CONSTRAINT shares_end_check CHECK ((ended_at IS NULL) = (end_reason IS NULL))
      )`);
    await runner.query(
      `COMMENT ON COLUMN shares.task_id IS 'The host where the share was made for a task: whichever session that has'`,
    );
    await runner.query(`CREATE INDEX shares_of_session ON shares (project_id, session_id, created_at DESC, share_id DESC)
      WHERE session_id IS NOT NULL`);
    await runner.query(`CREATE INDEX shares_of_task ON shares (project_id, task_id, created_at DESC, share_id DESC)
      WHERE task_id IS NOT NULL`);
    await runner.query(`CREATE INDEX shares_newest ON shares (project_id, created_at DESC, share_id DESC)`);
    await runner.query(`CREATE INDEX shares_made_through ON shares (project_id, parent_share_id)
      WHERE parent_share_id IS NOT NULL AND ended_at IS NULL`);
    await runner.query(`CREATE INDEX shares_to_expire ON shares (expires_at) WHERE ended_at IS NULL`);
    // A task is shared by itself once, however often it is claimed.
    await runner.query(
      `CREATE UNIQUE INDEX shares_automatic ON shares (project_id, task_id) WHERE origin = 'automatic'`,
    );

    await runner.query(`
      CREATE TABLE share_participants (
        project_id uuid NOT NULL,
        participant_id uuid NOT NULL,
        share_id uuid,
        key_id uuid,
        token_hash bytea,
        name text,
        role text,
        session_id text,
        selection jsonb,
        joined_at timestamptz(3) NOT NULL DEFAULT now(),
        last_seen_at timestamptz(3) NOT NULL DEFAULT now(),
        left_at timestamptz(3),
        left_reason text,
        CONSTRAINT share_participants_pkey PRIMARY KEY (project_id, participant_id),
        CONSTRAINT share_participants_token_hash_key UNIQUE (token_hash),
        CONSTRAINT share_participants_share_fkey FOREIGN KEY (project_id, share_id) REFERENCES shares (project_id, share_id),
        CONSTRAINT share_participants_kind_check CHECK (num_nonnulls(share_id, key_id) = 1),
        CONSTRAINT share_participants_role_check CHECK (role IN ('reader', 'executor', 'full')),
        CONSTRAINT share_participants_key_role_check CHECK (key_id IS NULL OR role IS NOT NULL),
        CONSTRAINT share_participants_left_check CHECK ((left_at IS NULL) = (left_reason IS NULL))
      )`);
    await runner.query(`
      COMMENT ON COLUMN share_participants.role IS 'That of the key, or their own, where a request for one was approved; else that of the share'`);
    await runner.query(`
      COMMENT ON COLUMN share_participants.session_id IS 'The one that they look at, or looked at when they left'`);
    await runner.query(`
      CREATE INDEX share_participants_of_session ON share_participants (project_id, session_id) WHERE left_at IS NULL`);
    await runner.query(`
      CREATE INDEX share_participants_of_key ON share_participants (project_id, key_id)
        WHERE key_id IS NOT NULL AND left_at IS NULL`);
    await runner.query(`
      CREATE INDEX share_participants_unseen ON share_participants (last_seen_at) WHERE left_at IS NULL`);
    await runner.query(`
      CREATE INDEX share_participants_gone ON share_participants (left_at) WHERE left_at IS NOT NULL`);
    await runner.query(`
      CREATE INDEX share_participants_of_share ON share_participants (project_id, share_id, joined_at)
        WHERE share_id IS NOT NULL`);

    await runner.query(`
      CREATE TABLE share_role_requests (
        project_id uuid NOT NULL,
        request_id uuid NOT NULL,
        participant_id uuid NOT NULL,
        session_id text NOT NULL,
        role text NOT NULL,
        status text NOT NULL DEFAULT 'pending',
        granted_role text,
        answered_by_id uuid,
        answered_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT share_role_requests_pkey PRIMARY KEY (project_id, request_id),
        CONSTRAINT share_role_requests_participant_fkey FOREIGN KEY (project_id, participant_id)
          REFERENCES share_participants (project_id, participant_id),
        CONSTRAINT share_role_requests_role_check CHECK (role IN ('reader', 'executor', 'full')),
        CONSTRAINT share_role_requests_status_check CHECK (status IN ('pending', 'approved', 'denied', 'withdrawn'))
      )`);
    await runner.query(`
      CREATE UNIQUE INDEX share_role_requests_pending ON share_role_requests (project_id, participant_id)
        WHERE status = 'pending'`);
    await runner.query(`
      CREATE INDEX share_role_requests_of_session
        ON share_role_requests (project_id, session_id, created_at DESC, request_id DESC)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE share_role_requests, share_participants, shares`);
  }
}
