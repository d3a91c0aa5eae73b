import { migrate } from '@holdfast/platform-postgres';
import { migrateQueues } from '@holdfast/platform-queue';
import { persistence } from '@holdfast/sessions';
import { serviceConfig } from '../config.js';

/** `node dist/commands/migrate.js`: brings the schema up to date, once, before the apps start. */
const config = serviceConfig();
const ran = await migrate({ url: config.directUrl, poolSize: 2, applicationName: 'holdfast-migrate' }, persistence);
if (!config.REDIS_URL) await migrateQueues(config.directUrl);
console.log(ran.length ? `migrated: ${ran.join(', ')}` : 'the schema is up to date');
