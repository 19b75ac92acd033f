import { createServer, type IncomingMessage } from 'node:http';

/**
 * A registry that has all blobs and takes every manifest at once, so that whoever sends is never held up.
 * `node bench/hungry-peer.ts PORT`
 */
createServer((request, response) => {
  request.resume().once('end', () => void response.writeHead(statusOf(request), { Location: '/' }).end());
}).listen(Number(process.argv[2]), '127.0.0.1');

function statusOf({ method, url = '' }: IncomingMessage): number {
  if (method === 'PUT') return 201;
  return url.includes('/manifests/') ? 404 : 200;
}
