export { BlobServiceConfig } from './blob-service-config.js';
export { ConfigInvalid, readConfig } from './read-config.js';
export { ServiceConfig } from './service-config.js';
