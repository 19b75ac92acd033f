import { afterAll, beforeAll } from 'vitest';
import { type HostedOptions, startHosted, type TestHosted } from '../../support/hosted.ts';
import type { Client } from './send.ts';

/** The server of one file's tests. */
export interface Stage {
  readonly server: TestHosted;
  /** `ci` at the registry's door, in a repository that no other test uses. @param below its namespace or folder */
  client(below?: string): Client;
}

/** Starts a server before the tests of a file and ends it after them. */
export function setStage(options: HostedOptions | (() => Promise<HostedOptions>) = {}): Stage {
  let server: TestHosted | undefined;
  let used = 0;
  beforeAll(async () => {
    server = await startHosted(typeof options === 'function' ? await options() : options);
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());
  const started = () => {
    if (!server) throw new Error('the server is not started');
    return server;
  };
  return {
    get server() {
      return started();
    },
    client: (below = 'local') => {
      used += 1;
      const repository = `${below}/app-${used}`;
      return {
        get url() {
          return started().registryUrl;
        },
        user: 'ci',
        repository,
      };
    },
  };
}

/** The same place, someone else: undefined is no one. */
export function asUser({ url, repository }: Client, user: string | undefined): Client {
  return { url, repository, user };
}

/** The same person, elsewhere. */
export function at({ url, user }: Client, repository: string): Client {
  return { url, user, repository };
}

/** The same person and place at the mirror's door. */
export function atMirror({ server }: Stage, { user, repository }: Client): Client {
  return { url: server.url, user, repository };
}
