import type { Answer } from './answer.ts';

/** 200 with JSON. */
export function jsonAnswer(value: object, headers: Answer['headers'] = {}, contentType = 'application/json'): Answer {
  const body = Buffer.from(JSON.stringify(value));
  return { status: 200, headers: { 'Content-Type': contentType, 'Content-Length': body.length, ...headers }, body };
}
