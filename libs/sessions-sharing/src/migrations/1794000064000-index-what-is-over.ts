import type { MigrationInterface, QueryRunner } from 'typeorm';

/** By which what nobody needs any more is found, without a look at what is still needed. */
export class IndexWhatIsOver1794000064000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX task_messages_oldest ON task_messages (created_at)`);
    await runner.query(
      `CREATE INDEX task_message_recipients_of_message ON task_message_recipients (project_id, message_id)`,
    );
    await runner.query(`
      CREATE INDEX share_role_requests_settled ON share_role_requests (answered_at) WHERE answered_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX share_role_requests_settled`);
    await runner.query(`DROP INDEX task_message_recipients_of_message`);
    await runner.query(`DROP INDEX task_messages_oldest`);
  }
}
