import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, test } from 'vitest';
import { readForm } from '../../src/http/read-form.ts';

test('a form that breaks off is no form, and no failure of ours', async () => {
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer((message) => void readForm(message).then(outcome.resolve, outcome.reject));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const head = ['POST /token HTTP/1.1', 'Host: a', 'Content-Type: application/x-www-form-urlencoded'];
  socket.write(`${[...head, 'Content-Length: 100'].join('\r\n')}\r\n\r\na=b`, () => socket.destroy());
  expect(await outcome.promise).toBe('the body did not come to its end');
  server.close();
  await once(server, 'close');
});
