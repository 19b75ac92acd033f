import type { BypassReason } from '../../telemetry/telemetry.ts';
import { within } from '../../util/sleep.ts';

/** A client waits so long for room to be made. */
const ROOM_MS = 2_000;

/**
 * What the budget says, if it says it soon: a client does not wait for an eviction that takes long, or for a broken disk.
 * @param onLate takes what comes too late, to give it back
 */
export async function inTime<Answer>(
  asking: Promise<Answer>,
  onLate: (answer: Answer) => void,
): Promise<Answer | BypassReason> {
  const settled = asking.then(
    (answer) => ({ answer }),
    () => undefined,
  );
  const result = await within(
    ROOM_MS,
    settled.then((value) => ({ value })),
  );
  if (result) return result.value ? result.value.answer : 'store';
  void settled.then((late) => late && onLate(late.answer));
  return 'quota';
}
