import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * An environment for a client under test: nothing of the user's (login files above all: those that the client writes are
 * in the folder), and no way out of the machine, so that a client that falls back to the real registry fails instead of hiding that the mirror did.
 */
export function sealedEnvironment(directory: string): Record<string, string> {
  const home = join(directory, 'home');
  const logins = join(home, 'logins.json');
  mkdirSync(home, { recursive: true });
  if (!existsSync(logins)) writeFileSync(logins, '{}');
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    XDG_RUNTIME_DIR: home,
    DOCKER_CONFIG: home,
    REGISTRY_AUTH_FILE: logins,
    // Port 9 (discard) is closed: a connection to it is refused at once.
    HTTP_PROXY: 'http://127.0.0.1:9',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1,localhost',
  };
}
