import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Without a project: a key is the installation's, and which project a credential is of is what it signs. */
export class CreateTurnCredentialKeys1794000001100 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE turn_credential_keys (
        kid text NOT NULL,
        secret bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT turn_credential_keys_pkey PRIMARY KEY (kid)
      )`);
    await runner.query(`COMMENT ON COLUMN turn_credential_keys.secret IS 'For HMAC with SHA-256'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE turn_credential_keys`);
  }
}
