import { Cron } from 'croner';
import { describeError, type Telemetry } from '../telemetry/telemetry.ts';
import type { FullScan } from './full-scan.ts';
import type { Link } from './link.ts';

/** Sends all that a scheduled rule is about, when it is due. What is not done by the next time is not begun twice. */
export class ScanSchedule implements Disposable {
  readonly #crons: readonly Cron[];

  constructor(scans: readonly { readonly link: Link; readonly fullScan: FullScan }[], telemetry: Telemetry) {
    this.#crons = scans.flatMap(({ link, fullScan }) => {
      const { trigger } = link.rule;
      if (trigger.type !== 'schedule') return [];
      return [
        new Cron(trigger.schedule, { protect: true, unref: true }, async () => {
          try {
            await fullScan.request();
          } catch (error) {
            telemetry.log.error({ ...link.name, ...describeError(error) }, 'scheduled replication could not begin');
          }
        }),
      ];
    });
  }

  [Symbol.dispose](): void {
    for (const cron of this.#crons) cron.stop();
  }
}
