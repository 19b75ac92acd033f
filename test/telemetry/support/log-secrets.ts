import { createLogger, flushLogger } from '../../../src/telemetry/logger.ts';

/** `node log-secrets.ts FORMAT`: logs a line for each key under which a secret could come. */
const [, , format] = process.argv;

const logger = createLogger({ level: 'info', format: format === 'pretty' ? 'pretty' : 'json', site: 'test-site' });
const keys = ['authorization', 'cookie', 'set-cookie', 'password', 'token', 'access_token', 'refresh_token'];
for (const key of keys) logger.info({ key, [key]: `hunter2-${key}` }, 'a line');
logger.debug('not shown');
logger.warn({ key: 'repository', repository: 'docker.io/library/app' }, 'a warning');
await flushLogger(logger);
