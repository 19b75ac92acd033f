import pino from 'pino';
import pretty from 'pino-pretty';

export type Logger = pino.Logger;

export interface LoggerOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** `auto`: readable on a terminal, JSON lines everywhere else. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** Stands on each line. */
  readonly site: string;
}

/**
 * Keys under which a secret could come into a log line by mistake. Objects that are logged are flat; looking deeper would
 * cost more than all the rest of a line.
 */
const SECRET_KEYS = ['authorization', 'cookie', 'set-cookie', 'password', 'token', 'access_token', 'refresh_token'];

/** The program's logger, writing to standard output. JSON lines are buffered; {@link flushLogger} before an exit. */
export function createLogger(options: LoggerOptions): Logger {
  const readable = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY);
  const destination = readable
    ? pretty({ colorize: process.stdout.isTTY, ignore: 'pid,hostname,site', translateTime: 'SYS:HH:MM:ss.l' })
    : pino.destination({ dest: 1, sync: false, minLength: 0 });
  return pino(
    {
      level: options.level,
      base: { site: options.site },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_KEYS.map((key) => `["${key}"]`), censor: '[secret]' },
    },
    destination,
  );
}

/** Waits until what was logged is written. */
export function flushLogger(logger: Logger): Promise<void> {
  return new Promise((resolve) => logger.flush(() => resolve()));
}

/** A logger for tests and tools that want silence. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
