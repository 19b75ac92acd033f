import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { startProcess } from '../../../support/process.ts';

/** What becomes of packets on a way. */
export interface WayOptions {
  /** In each direction. */
  readonly delayMs: number;
  /** The part that is lost, 0 to 1. */
  readonly loss: number;
}

/** Two network devices that belong together. */
export interface PacketRelay extends AsyncDisposable {
  /** Packets that were lost so far, of both directions. */
  readonly lostPackets: number;
}

/** The side of a device on which its packets are datagrams. */
interface End {
  readonly socket: Socket;
  /** Where they go. */
  readonly port: number;
}

const BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Makes two network devices, which may be moved to other namespaces: what is sent into one comes out of the other, later, if
 * it is not lost. For kernels without tc-netem(8); what sends and receives is the kernel's own TCP all the same.
 */
export async function startPacketRelay(
  devices: readonly [string, string],
  { delayMs, loss }: WayOptions,
): Promise<PacketRelay> {
  await using opened = new AsyncDisposableStack();
  let lostPackets = 0;
  let isOver = false;
  const [one, other] = [await openEnd(devices[0], opened), await openEnd(devices[1], opened)];
  const join = (from: End, to: End): void => {
    const pass = (packet: Buffer) => void (isOver || to.socket.send(packet, to.port, '127.0.0.1'));
    from.socket.on('message', (packet: Buffer) => {
      if (Math.random() < loss) lostPackets += 1;
      else setTimeout(pass, delayMs, packet);
    });
  };
  join(one, other);
  join(other, one);
  opened.defer(() => void (isOver = true));
  const cleanup = opened.move();
  return {
    get lostPackets() {
      return lostPackets;
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** socat makes the device and has its packets as datagrams, each in one. */
async function openEnd(device: string, opened: AsyncDisposableStack): Promise<End> {
  const socket = await openSocket();
  opened.defer(() => void socket.close());
  const port = await freeUdpPort();
  const udp = `UDP-DATAGRAM:127.0.0.1:${socket.address().port},bind=127.0.0.1:${port},rcvbuf=${BUFFER_BYTES}`;
  const ready = () => existsSync(`/sys/class/net/${device}`);
  opened.use(await startProcess('socat', [`TUN,tun-type=tun,iff-no-pi,tun-name=${device}`, udp], { ready }));
  return { socket, port };
}

async function openSocket(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES, sendBufferSize: BUFFER_BYTES });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

async function freeUdpPort(): Promise<number> {
  const socket = await openSocket();
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
