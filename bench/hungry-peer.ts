import type { IncomingMessage } from 'node:http';
import { Listener } from '../test/support/listener.ts';

/** A registry that has all blobs and takes every manifest at once, so that whoever sends is never held up. */
export function openHungryPeer(): Promise<Listener> {
  return Listener.start((request, response) => {
    request.resume().once('end', () => void response.writeHead(statusOf(request), { Location: '/' }).end());
  });
}

function statusOf({ method, url = '' }: IncomingMessage): number {
  if (method === 'PUT') return 201;
  return url.includes('/manifests/') ? 404 : 200;
}
