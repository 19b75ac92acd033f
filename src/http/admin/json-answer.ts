import type { Answer } from '../answer.ts';

/** A document of JSON. */
export function jsonAnswer(value: object): Answer {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  return { status: 200, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length }, body };
}
