/* oxlint-disable eslint/no-unused-private-class-members, typescript/no-this-alias */
import { silentLogger } from '../../../../src/telemetry/logger.ts';
import type { Logger } from '../../../../src/telemetry/logger.ts';
import type { Metrics } from '../../../../src/telemetry/metrics.ts';
import { Telemetry } from '../../../../src/telemetry/telemetry.ts';

interface Download {
  readonly digest: string;
  /** It has been under way for more than this turn of the event loop. */
  isSettled: boolean;
  hasEnded: boolean;
}

/** Which downloads are under way, as far as can be seen from outside: who starts one tells, and opens its ingest at once. */
export class InFlight {
  #downloads: Download[] = [];
  #isStarting = false;

  /** Downloads began and ended where that telemetry is told so. */
  telemetry(logger: Logger = silentLogger(), metrics: Metrics): Telemetry {
    const inFlight = this;
    return new (class extends Telemetry {
      override fillStarted(): void {
        inFlight.#isStarting = true;
        super.fillStarted();
      }
      override fillEnded(event: Parameters<Telemetry['fillEnded']>[0]): void {
        inFlight.#end(event.digest);
        super.fillEnded(event);
      }
    })(logger, metrics);
  }

  /** The store was asked to take in content, or to hash what passes. */
  opened(digest: string): void {
    if (!this.#isStarting) return;
    this.#isStarting = false;
    const download = { digest, isSettled: false, hasEnded: false };
    this.#downloads.push(download);
    setImmediate(() => {
      download.isSettled = true;
    });
  }

  /** Is it certain that it has been under way for longer than a moment? */
  has(digest: string): boolean {
    return this.#downloads.some((one) => one.digest === digest && one.isSettled && !one.hasEnded);
  }

  /** Is it under way, or was it a moment ago? */
  mayHave(digest: string): boolean {
    return this.#downloads.some((one) => one.digest === digest);
  }

  #end(digest: string): void {
    const ended = this.#downloads.find((one) => one.digest === digest && !one.hasEnded);
    if (!ended) throw new Error(`the download of ${digest} ended, and its begin was not seen`);
    ended.hasEnded = true;
    setImmediate(() => {
      this.#downloads = this.#downloads.filter((one) => one !== ended);
    });
  }
}
