import type { BypassReason } from '../../telemetry/telemetry.ts';
import { RegistryError } from '../registry-error.ts';
import type { DiskBudget } from '../space/disk-budget.ts';
import { Reservation } from '../space/reservation.ts';

/** Space is promised in steps of at least so much to a client that does not say how much it will send. */
const MIN_STEP_BYTES = 4 * 1024 * 1024;
const MAX_STEP_BYTES = 64 * 1024 * 1024;
/** Of what is there already: a large upload takes larger steps. */
const STEP_SHARE = 1 / 8;

const REASONS: Record<BypassReason, string> = {
  quota: 'the quota of this site is used up by content that has to stay',
  'upstream-quota': 'the quota for content of that registry is used up',
  disk: 'its disk is full',
  store: 'its disk refuses',
};

/** The space that an upload takes and will take: promised before its bytes are written, held as long as it lives. */
export class UploadRoom {
  readonly #budget: DiskBudget;
  readonly #reservation: Reservation;
  #promisedBytes: number;

  private constructor(budget: DiskBudget, reservation: Reservation, promisedBytes: number) {
    this.#budget = budget;
    this.#reservation = reservation;
    this.#promisedBytes = promisedBytes;
  }

  /** For an upload that begins. @throws RegistryError NO_ROOM */
  static async begin(budget: DiskBudget, registry: string): Promise<UploadRoom> {
    return new UploadRoom(budget, await reserveRoom(budget, registry, 0), 0);
  }

  /** For one that an earlier run left. */
  static resume(budget: DiskBudget, registry: string, sizeBytes: number): UploadRoom {
    return new UploadRoom(budget, budget.hold(registry, sizeBytes), sizeBytes);
  }

  /** So large may it become now. @throws RegistryError NO_ROOM */
  async provide(sizeBytes: number): Promise<void> {
    const missingBytes = sizeBytes - this.#promisedBytes;
    if (missingBytes <= 0) return;
    const refusal = await this.#budget.extend(this.#reservation, missingBytes);
    if (refusal !== undefined) throw noRoom(refusal);
    this.#promisedBytes = sizeBytes;
  }

  /** The same, and some more if there is room for that. @throws RegistryError NO_ROOM */
  async provideAhead(sizeBytes: number): Promise<void> {
    if (sizeBytes <= this.#promisedBytes) return;
    const stepBytes = Math.min(MAX_STEP_BYTES, Math.max(MIN_STEP_BYTES, sizeBytes * STEP_SHARE));
    try {
      await this.provide(Math.ceil(this.#promisedBytes + stepBytes));
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
    }
    await this.provide(sizeBytes);
  }

  wrote(bytes: number): void {
    this.#reservation.wrote(bytes);
  }

  /** Nothing more comes for now. */
  settle(sizeBytes: number): void {
    this.#budget.settle(this.#reservation, sizeBytes);
    this.#promisedBytes = sizeBytes;
  }

  release(): void {
    this.#reservation.release();
  }
}

/** Promises space for something that is pushed. @throws RegistryError NO_ROOM */
export async function reserveRoom(budget: DiskBudget, registry: string, sizeBytes: number): Promise<Reservation> {
  const granted = await budget.reserve(registry, sizeBytes);
  if (granted instanceof Reservation) return granted;
  throw noRoom(granted);
}

/** @param reason what is in the way */
export function noRoom(reason: BypassReason, cause?: unknown): RegistryError {
  return new RegistryError('NO_ROOM', `there is no room here for what is pushed: ${REASONS[reason]}`, { cause });
}
