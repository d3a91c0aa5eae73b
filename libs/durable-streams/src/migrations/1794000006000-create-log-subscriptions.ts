import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLogSubscriptions1794000006000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE log_subscriptions (
        project_id uuid NOT NULL,
        id text COLLATE "C" NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        type text NOT NULL,
        pattern text,
        pattern_regex text,
        webhook_url text,
        wake_stream text COLLATE "C",
        lease_ttl_ms int NOT NULL,
        description text,
        base_url text NOT NULL,
        config_hash text NOT NULL,
        generation bigint NOT NULL DEFAULT 0,
        phase text NOT NULL DEFAULT 'idle',
        wake_id text,
        holder text,
        attempts int NOT NULL DEFAULT 0,
        last_error text,
        due_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT log_subscriptions_pkey PRIMARY KEY (project_id, id),
        CONSTRAINT log_subscriptions_number_key UNIQUE (project_id, number),
        CONSTRAINT log_subscriptions_type_check CHECK (
          (type = 'webhook' AND webhook_url IS NOT NULL) OR (type = 'pull-wake' AND wake_stream IS NOT NULL)),
        CONSTRAINT log_subscriptions_phase_check CHECK (
          (phase = 'idle' AND wake_id IS NULL AND due_at IS NULL) OR
          (phase IN ('waking', 'held') AND wake_id IS NOT NULL AND due_at IS NOT NULL))
      ) WITH (fillfactor = 70)`);
    for (const [column, meaning] of Object.entries(SUBSCRIPTION_COLUMNS)) {
      await runner.query(`COMMENT ON COLUMN log_subscriptions.${column} IS '${meaning}'`);
    }
    await runner.query(`CREATE INDEX log_subscriptions_due ON log_subscriptions (due_at) WHERE due_at IS NOT NULL`);

    await runner.query(`
      CREATE TABLE log_subscription_links (
        project_id uuid NOT NULL,
        subscription bigint NOT NULL,
        path text COLLATE "C" NOT NULL,
        log_id bigint,
        acked bigint NOT NULL DEFAULT 0,
        explicit boolean NOT NULL,
        glob boolean NOT NULL,
        pending boolean NOT NULL DEFAULT false,
        CONSTRAINT log_subscription_links_pkey PRIMARY KEY (project_id, subscription, path),
        CONSTRAINT log_subscription_links_kind_check CHECK (explicit OR glob)
      ) WITH (fillfactor = 70)`);
    for (const [column, meaning] of Object.entries(LINK_COLUMNS)) {
      await runner.query(`COMMENT ON COLUMN log_subscription_links.${column} IS '${meaning}'`);
    }
    await runner.query(`
      CREATE UNIQUE INDEX log_subscription_links_log ON log_subscription_links (project_id, log_id, subscription)
       WHERE log_id IS NOT NULL`);
    await runner.query(
      `CREATE INDEX log_subscription_links_absent ON log_subscription_links (project_id, path) WHERE log_id IS NULL`,
    );
    await runner.query(`
      CREATE INDEX log_subscription_links_pending ON log_subscription_links (project_id, subscription, path)
       WHERE pending`);

    await runner.query(`
      CREATE TABLE log_signing_keys (
        kid text NOT NULL,
        private_key bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT log_signing_keys_pkey PRIMARY KEY (kid)
      )`);
    await runner.query(`COMMENT ON COLUMN log_signing_keys.private_key IS 'Ed25519, PKCS #8, DER'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE log_signing_keys, log_subscription_links, log_subscriptions`);
  }
}

const SUBSCRIPTION_COLUMNS = {
  number: 'Never used again, even when a subscription is made again under the same id',
  pattern_regex: 'The pattern as a regular expression of PostgreSQL',
  base_url: 'Scheme and host by which its maker reached the api',
  config_hash: 'What a request that makes it again must equal',
  generation: 'Number of the present or last wake',
  phase: 'idle; waking: a worker has to be told; held: a worker has been told, until due_at',
  attempts: 'Attempts to tell a worker since one succeeded',
  due_at: 'When to look at it again: the next attempt, or the end of the lease',
};

const LINK_COLUMNS = {
  log_id: 'Null while there is no stream at the path',
  acked: 'Position up to which it was processed',
  pending: 'Whether it was seen with messages after acked; a log with wake_due may have some besides',
};
