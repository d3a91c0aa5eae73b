import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Deliveries that are closed are forgotten by their age; the index is built beside whoever writes. */
export class FindOldDeliveries1794000052000 implements MigrationInterface {
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    // What a try left half made that was cut off.
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS trigger_deliveries_closed`);
    await runner.query(`
      CREATE INDEX CONCURRENTLY trigger_deliveries_closed ON trigger_deliveries (closed_at)
       WHERE closed_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX trigger_deliveries_closed`);
  }
}
