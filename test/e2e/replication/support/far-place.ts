import { run } from '../../support/run.ts';
import { startPacketRelay, type WayOptions } from './packet-relay.ts';

/** A network namespace that is far away. */
export interface FarPlace extends AsyncDisposable {
  readonly namespace: string;
  /** Its address by the long way. */
  readonly farAddress: string;
  /** Its address by a short cut, for those who look at what has arrived. */
  readonly nearAddress: string;
  /** What makes the way long. */
  readonly means: 'netem' | 'packet relay';
  /** Packets that were lost so far, of both directions. */
  lostPackets(): Promise<number>;
}

/** A device in this namespace, and one in the other, with their addresses. */
interface Way {
  readonly here: string;
  readonly there: string;
  readonly addresses: readonly [string, string];
}

/** The same each time: one that a test left which was killed is found, and goes. */
const NAMESPACE = 'entrepot-far';
const SHORT: Way = { here: 'ep-short', there: 'ep-short-far', addresses: ['10.231.1.1', '10.231.1.2'] };
const LONG: Way = { here: 'ep-long', there: 'ep-long-far', addresses: ['10.231.2.1', '10.231.2.2'] };

/** Makes a namespace, a long way to it and a short one. */
export async function openFarPlace(options: WayOptions): Promise<FarPlace> {
  await removeAll();
  await using opened = new AsyncDisposableStack();
  opened.defer(removeAll);
  await ip('netns', 'add', NAMESPACE);
  await ip('-n', NAMESPACE, 'link', 'set', 'lo', 'up');
  await joinByVeth(SHORT);
  await bringUp(SHORT);
  const lostPackets = (await openByNetem(options)) ?? (await openByRelay(options, opened));
  const cleanup = opened.move();
  return {
    namespace: NAMESPACE,
    farAddress: LONG.addresses[1],
    nearAddress: SHORT.addresses[1],
    means: lostPackets === netemLosses ? 'netem' : 'packet relay',
    lostPackets,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** @returns undefined if this kernel has no netem */
async function openByNetem({ delayMs, loss }: WayOptions): Promise<typeof netemLosses | undefined> {
  await joinByVeth(LONG);
  const netem = ['root', 'netem', 'delay', `${delayMs}ms`, 'loss', `${loss * 100}%`, 'limit', '10000'];
  try {
    await run('tc', ['qdisc', 'add', 'dev', LONG.here, ...netem]);
  } catch (error) {
    if (!String(error).includes('qdisc kind is unknown')) throw error;
    await ip('link', 'del', LONG.here);
    return undefined;
  }
  await run('tc', ['-n', NAMESPACE, 'qdisc', 'add', 'dev', LONG.there, ...netem]);
  // What is lost is a packet, not a burst of them that is cut up later.
  await ip('link', 'set', LONG.here, 'gso_max_segs', '1');
  await ip('-n', NAMESPACE, 'link', 'set', LONG.there, 'gso_max_segs', '1');
  await bringUp(LONG);
  return netemLosses;
}

async function netemLosses(): Promise<number> {
  const here = await run('tc', ['-s', 'qdisc', 'show', 'dev', LONG.here]);
  const there = await run('tc', ['-n', NAMESPACE, '-s', 'qdisc', 'show', 'dev', LONG.there]);
  const counts = [...`${here}${there}`.matchAll(/dropped (\d+)/g)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function openByRelay(options: WayOptions, opened: AsyncDisposableStack): Promise<() => Promise<number>> {
  const relay = opened.use(await startPacketRelay([LONG.here, LONG.there], options));
  await ip('link', 'set', LONG.there, 'netns', NAMESPACE);
  await bringUp(LONG);
  return () => Promise.resolve(relay.lostPackets);
}

async function joinByVeth({ here, there }: Way): Promise<void> {
  await ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', NAMESPACE);
}

async function bringUp({ here, there, addresses }: Way): Promise<void> {
  await ip('addr', 'add', `${addresses[0]}/30`, 'dev', here);
  await ip('link', 'set', here, 'up');
  await ip('-n', NAMESPACE, 'addr', 'add', `${addresses[1]}/30`, 'dev', there);
  await ip('-n', NAMESPACE, 'link', 'set', there, 'up');
}

/** What there is of it. */
async function removeAll(): Promise<void> {
  for (const device of [SHORT.here, LONG.here]) await ip('link', 'del', device).catch(() => undefined);
  await ip('netns', 'del', NAMESPACE).catch(() => undefined);
}

function ip(...args: string[]): Promise<string> {
  return run('ip', args);
}
