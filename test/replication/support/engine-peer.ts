import { ScriptedPeer } from './scripted-peer.ts';

/** A peer whose health a test says. */
export class EnginePeer extends ScriptedPeer {
  site: string | undefined;
  pings = 0;
  /** What a ping waits for, or fails with. */
  beforePing: (signal: AbortSignal | undefined) => Promise<void> | void = () => undefined;

  override async ping(options?: { signal?: AbortSignal }): Promise<{ site: undefined }> {
    this.pings += 1;
    await this.beforePing(options?.signal);
    return { site: this.site } as { site: undefined };
  }
}
