import { HotManifests } from '../../../../src/registry/hot-manifests.ts';
import { Fills } from '../../../../src/registry/fill/fills.ts';
import { HostedRules, type HostedRuleOptions } from '../../../../src/registry/pushing/hosted-rules.ts';
import type { IncomingBytes, UploadRange } from '../../../../src/registry/pushing/incoming-bytes.ts';
import { Pushes } from '../../../../src/registry/pushing/pushes.ts';
import { WantedBlobs } from '../../../../src/registry/pushing/wanted-blobs.ts';
import { SeenTags } from '../../../../src/registry/seen-tags.ts';
import type { SpaceLimits } from '../../../../src/registry/space/room.ts';
import { LostContent } from '../../../../src/registry/upkeep/lost-content.ts';
import { Upstreams } from '../../../../src/registry/upstreams.ts';
import { openStock, type Stock } from '../../space/stock.ts';

/** What takes pushes, over a store and an index of its own. */
export interface TestPushes extends AsyncDisposable {
  readonly stock: Stock;
  readonly pushes: Pushes;
  readonly hot: HotManifests;
  readonly wanted: WantedBlobs;
  readonly rules: HostedRules;
  /** As a new run would find it: what is open is closed first. */
  reopen(): Promise<Pushes>;
}

export interface PushesSetup {
  readonly rules?: readonly HostedRuleOptions[];
  readonly limits?: Partial<SpaceLimits>;
  readonly expireMs?: number;
}

export const OWNER = { repository: 'local/app', principal: 'ci' };
export const CAUSE = { actor: 'ci' };
const NO_LIMITS = { quotaBytes: undefined, minFreeBytes: 0, lowWatermark: 0.9, registryQuotas: new Map() };

/** `local` is hosted; there is no upstream. */
export async function openPushes(setup: PushesSetup = {}): Promise<TestPushes> {
  await using opened = new AsyncDisposableStack();
  const stock = opened.use(await openStock({ limits: { ...NO_LIMITS, ...setup.limits }, hosted: ['local'] }));
  const { store, index, space, locks, telemetry } = stock;
  const shared = { store, index, locks, telemetry, budget: space.budget };
  const lost = new LostContent(shared);
  const hot = new HotManifests(store, 1024 * 1024);
  const wanted = new WantedBlobs();
  const rules = new HostedRules(setup.rules ?? []);
  const fills = opened.use(new Fills({ ...shared, lost, connections: 1, maxExtraConnections: 1 }));
  const open = () =>
    new Pushes({
      ...shared,
      upstreams: new Upstreams([], undefined, ['local']),
      rules,
      lost,
      hot,
      seen: new SeenTags(),
      wanted,
      fills,
      removal: space.removal,
      expireMs: setup.expireMs ?? Infinity,
      manifestLimitBytes: 1024 * 1024,
    });
  let pushes = open();
  opened.defer(() => pushes[Symbol.asyncDispose]());
  const cleanup = opened.move();
  return {
    stock,
    get pushes() {
      return pushes;
    },
    hot,
    wanted,
    rules,
    reopen: async () => {
      await pushes[Symbol.asyncDispose]();
      pushes = open();
      await pushes.uploads.prepare();
      return pushes;
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** What a client sends, as it is handed out. */
export function incoming(
  batches: readonly Uint8Array[],
  { sizeBytes, range }: { sizeBytes?: number; range?: UploadRange } = {},
): IncomingBytes {
  const rest = [...batches];
  return {
    sizeBytes,
    range,
    next: async () => {
      const batch = rest.shift();
      return batch && [batch];
    },
  };
}

/** A client that sends these and then nothing, for as long as it takes. @returns also when it is waited for again */
export function stalling(first: Uint8Array): { bytes: IncomingBytes; stalls: Promise<void> } {
  const stalled = Promise.withResolvers<void>();
  const rest = [first];
  const bytes: IncomingBytes = {
    sizeBytes: undefined,
    range: undefined,
    next: async () => {
      const batch = rest.shift();
      if (batch) return [batch];
      stalled.resolve();
      return new Promise(() => undefined);
    },
  };
  return { bytes, stalls: stalled.promise };
}
