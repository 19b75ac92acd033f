import type { Logger } from '../telemetry/logger.ts';
import { describeError } from '../telemetry/telemetry.ts';
import { CodedError } from '../util/coded-error.ts';
import { type ListenAddress, Listener, type RequestListener } from './listener.ts';
import { readTlsFiles, type TlsFiles, watchTlsFiles } from './tls-files.ts';
import type { TlsIdentity } from './tls-server.ts';

/** Where and how a listener listens. */
export interface DoorOptions {
  /** Its section of the configuration, for messages. */
  readonly section: string;
  readonly listen: ListenAddress;
  /** Undefined: plain HTTP. */
  readonly tls?: TlsFiles;
}

/**
 * Opens a listener. Its certificates are taken anew when their files change, until it is disposed of.
 * @throws CodedError CANNOT_LISTEN, TLS_UNUSABLE
 */
export async function openDoor(
  { section, listen, tls }: DoorOptions,
  listener: RequestListener,
  opened: AsyncDisposableStack,
  logger: Logger,
): Promise<Listener> {
  const identity = tls && (await readIdentity(tls, section));
  const door = opened.use(await openListener(section, listen, listener, identity));
  if (!tls) return door;
  opened.use(
    watchTlsFiles(
      tls,
      (renewed) => {
        door.replaceIdentity(renewed);
        logger.info({ section }, 'the TLS certificate was renewed');
      },
      (error) => logger.error({ section, ...describeError(error) }, 'the new TLS certificate cannot be used'),
    ),
  );
  return door;
}

async function readIdentity(tls: TlsFiles, section: string): Promise<TlsIdentity> {
  try {
    return await readTlsFiles(tls);
  } catch (cause) {
    throw new CodedError('TLS_UNUSABLE', `${section}.tls cannot be used: ${(cause as Error).message}`, { cause });
  }
}

async function openListener(
  section: string,
  address: ListenAddress,
  listener: RequestListener,
  identity: TlsIdentity | undefined,
): Promise<Listener> {
  try {
    return await Listener.open(address, listener, identity);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'EADDRINUSE' ? 'another program listens there' : message;
    const where = `${address.host ?? '*'}:${address.port}`;
    throw new CodedError('CANNOT_LISTEN', `${section}.listen: cannot listen on ${where}: ${reason}`, { cause });
  }
}
