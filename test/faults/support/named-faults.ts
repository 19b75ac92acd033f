import type { Fault } from '../../support/origin-faults.ts';

/** A fault as a test's name has it. */
export interface NamedFault {
  readonly name: string;
  readonly fault: Fault;
}

/** Faults that take the place of any answer. */
export const ANSWER_FAULTS: readonly NamedFault[] = [
  { name: 'a reset before the headers', fault: { kind: 'reset' } },
  { name: 'silence before the headers', fault: { kind: 'stall', afterBytes: -1 } },
  { name: '500', fault: { kind: 'status', status: 500, body: 'oops' } },
  {
    name: '502 in HTML',
    fault: { kind: 'status', status: 502, headers: { 'Content-Type': 'text/html' }, body: '<h1>' },
  },
  { name: '503', fault: { kind: 'status', status: 503 } },
  { name: '504', fault: { kind: 'status', status: 504 } },
];

/** Faults in the middle of a body. */
export const BROKEN_BODIES: readonly NamedFault[] = [
  { name: 'a reset in the middle of the body', fault: { kind: 'reset', afterBytes: 100 } },
  { name: 'a truncated body', fault: { kind: 'truncate', afterBytes: 100 } },
  { name: 'silence in the middle of the body', fault: { kind: 'stall', afterBytes: 100 } },
];

/** Bodies which are not what was asked for. */
export const WRONG_BODIES: readonly NamedFault[] = [
  { name: 'one wrong byte', fault: { kind: 'corrupt' } },
  { name: 'a body that is too short', fault: { kind: 'wrongLength', length: 150 } },
  { name: 'an empty body', fault: { kind: 'wrongLength', length: 0 } },
  { name: 'a body that is too long', fault: { kind: 'wrongLength', length: 60_000 } },
  { name: 'a sign-in page with 200', fault: { kind: 'html' } },
];
