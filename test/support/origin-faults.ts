import type { IncomingMessage, ServerResponse } from 'node:http';

/** Something that goes wrong with an answer. */
export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: string }
  /** Breaks the connection with RST; -1 (default) before the headers, otherwise after so many bytes of the body. */
  | { kind: 'reset'; afterBytes?: number }
  /** Ends the connection properly before Content-Length is reached. */
  | { kind: 'truncate'; afterBytes: number }
  /** Falls silent; -1 before the headers, otherwise after so many bytes of the body (default 0). */
  | { kind: 'stall'; afterBytes?: number }
  /** One flipped byte, default in the middle of what is sent; the length is right. */
  | { kind: 'corrupt'; at?: number }
  /** 200 with a sign-in page. */
  | { kind: 'html' }
  /** A body of another length, with a Content-Length to match: cut off, or filled with zeros. */
  | { kind: 'wrongLength'; length: number }
  | { kind: 'slow'; bytesPerSecond: number }
  /** No Content-Length: a chunked body. */
  | { kind: 'noLength' }
  | { kind: 'delay'; ms: number }
  /** The test answers by itself. */
  | { kind: 'handler'; handle: (request: IncomingMessage, response: ServerResponse) => void | Promise<void> };

/** A fault that takes the place of the answer. */
export type AnswerFault = Extract<Fault, { kind: 'status' | 'reset' | 'stall' | 'html' | 'handler' }>;

/** A fault of an answer that is otherwise right. */
export type BodyFault = Extract<
  Fault,
  { kind: 'reset' | 'truncate' | 'stall' | 'corrupt' | 'wrongLength' | 'noLength' }
>;

/** Requests of a method (default any), whose path and query contain a string or match a pattern. */
export interface RequestMatch {
  method?: string;
  path?: RegExp | string;
  /** Only requests with a Range header (true) or without (false). */
  range?: boolean;
}

/** How often a fault happens, and when. */
export interface FaultOptions {
  /** Default: until the faults are cleared. */
  times?: number;
  /** Also to requests that would be answered with a challenge; default only to those that are let in. */
  beforeAuth?: boolean;
}

interface ScriptedFault {
  match: RequestMatch;
  fault: Fault;
  left: number;
  beforeAuth: boolean;
}

interface MatchedRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
}

/** Whether a request is one of those that are meant. */
export function matches(request: MatchedRequest, match: RequestMatch): boolean {
  if (match.method !== undefined && match.method !== request.method) return false;
  if (match.range !== undefined && match.range !== (request.headers.range !== undefined)) return false;
  if (match.path === undefined) return true;
  return typeof match.path === 'string' ? request.url.includes(match.path) : match.path.test(request.url);
}

/**
 * The faults that are still to happen. To one request there happens at most one delay, one `slow` and one other fault,
 * of each the oldest. What befalls a body doesn't happen to HEAD, nor to a redirect or an error.
 */
export class FaultScript {
  #faults: ScriptedFault[] = [];

  add(match: RequestMatch, fault: Fault, options: FaultOptions = {}): void {
    this.#faults.push({
      match,
      fault,
      left: options.times ?? Number.POSITIVE_INFINITY,
      beforeAuth: options.beforeAuth ?? false,
    });
  }

  clear(): void {
    this.#faults = [];
  }

  /** How long the answer has to wait. */
  takeDelayMs(request: MatchedRequest, beforeAuth: boolean): number {
    const next = this.#find(request, (each) => each.fault.kind === 'delay' && each.beforeAuth === beforeAuth);
    return next?.fault.kind === 'delay' ? use(next, next.fault).ms : 0;
  }

  /** How fast the body may go. */
  takeBytesPerSecond(request: MatchedRequest): number {
    const next = this.#find(request, (each) => each.fault.kind === 'slow');
    return next?.fault.kind === 'slow' ? use(next, next.fault).bytesPerSecond : Number.POSITIVE_INFINITY;
  }

  /** What is to happen in place of an answer. */
  takeAnswerFault(request: MatchedRequest, beforeAuth: boolean): AnswerFault | undefined {
    const next = this.#find(request, (each) => isOther(each.fault) && each.beforeAuth === beforeAuth);
    return next !== undefined && isAnswerFault(next.fault) ? use(next, next.fault) : undefined;
  }

  /** What is to happen to the body of an answer. */
  takeBodyFault(request: MatchedRequest): BodyFault | undefined {
    const next = this.#find(request, (each) => isOther(each.fault));
    return next !== undefined && isBodyFault(next.fault) ? use(next, next.fault) : undefined;
  }

  #find(request: MatchedRequest, wanted: (each: ScriptedFault) => boolean): ScriptedFault | undefined {
    return this.#faults.find(
      (each) =>
        each.left > 0 &&
        wanted(each) &&
        matches(request, each.match) &&
        (request.method !== 'HEAD' || happensToHead(each.fault)),
    );
  }
}

function use<F extends Fault>(scripted: ScriptedFault, fault: F): F {
  scripted.left--;
  return fault;
}

function isOther(fault: Fault): boolean {
  return fault.kind !== 'delay' && fault.kind !== 'slow';
}

function isAnswerFault(fault: Fault): fault is AnswerFault {
  if (fault.kind === 'reset') return (fault.afterBytes ?? -1) < 0;
  if (fault.kind === 'stall') return (fault.afterBytes ?? 0) < 0;
  return fault.kind === 'status' || fault.kind === 'html' || fault.kind === 'handler';
}

function isBodyFault(fault: Fault): fault is BodyFault {
  return isOther(fault) && !isAnswerFault(fault);
}

function happensToHead(fault: Fault): boolean {
  return !isBodyFault(fault) || fault.kind === 'wrongLength' || fault.kind === 'noLength';
}
