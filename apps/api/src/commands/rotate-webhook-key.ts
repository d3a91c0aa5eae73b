import { ANNOUNCED_S, RETIRED_AFTER_S, SigningKeys } from '@holdfast/durable-streams';
import { createDataSource, UnitOfWork } from '@holdfast/platform-postgres';
import { persistence } from '@holdfast/sessions';
import { serviceConfig } from '../config.js';

const HELP = `node dist/commands/rotate-webhook-key.js

Makes the next key for the signatures of webhooks and prints {"kid"}. No process has to be started anew:
  within a minute   jwks.json has it beside the present one
  after ${ANNOUNCED_S / 60} minutes  it signs, as every receiver knows it by then
  after ${RETIRED_AFTER_S / 3600} hours    the one before is taken out, and its tokens count no more

Takes DATABASE_URL.`;

if (process.argv.includes('--help')) console.log(HELP);
else await rotate();

async function rotate(): Promise<void> {
  const dataSource = await createDataSource(
    { url: serviceConfig().directUrl, poolSize: 2, applicationName: 'holdfast-rotate-webhook-key' },
    persistence,
  ).initialize();
  const { kid } = await new SigningKeys(new UnitOfWork(dataSource)).rotate();
  console.log(JSON.stringify({ kid }));
  await dataSource.destroy();
}
