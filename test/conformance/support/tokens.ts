import { expect } from 'vitest';
import { type Answer, type Client, jsonOf, send } from './send.ts';
import { asUser } from './stage.ts';

/** The one challenge of a 401 (RFC 6750 3, Docker's token protocol). */
export function expectChallenge({ status, headers }: Answer): Record<string, string> {
  expect(status).toBe(401);
  const challenge = headers['www-authenticate'] as string;
  expect(challenge.match(/\b(Bearer|Basic|Negotiate|Digest)\b/g)).toEqual(['Bearer']);
  const found = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
  expect(found).toMatchObject({ realm: expect.stringMatching(/^https?:\/\//), service: expect.stringMatching(/./) });
  return found as Record<string, string>;
}

/** What Docker does with a challenge. @param user undefined: an anonymous token */
export async function tokenFor(client: Client, challenge: Record<string, string>, user?: string): Promise<string> {
  const { realm = '', service = '', scope } = challenge;
  const query = new URLSearchParams({ service, ...(scope === undefined ? {} : { scope }) });
  const answer = await send(asUser(client, user), 'GET', `${realm}?${query.toString()}`);
  expect(answer.status, answer.body.toString()).toBe(200);
  const { token, access_token: same, expires_in: seconds } = jsonOf(answer) as Record<string, string>;
  expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  expect(same ?? token).toBe(token);
  expect(Number(seconds)).toBeGreaterThanOrEqual(60);
  return token ?? '';
}

/** Options of a request with a token. */
export function bearing(token: string) {
  return { headers: { Authorization: `Bearer ${token}` } };
}
