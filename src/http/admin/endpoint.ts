import type { IncomingMessage } from 'node:http';
import type { Answer } from '../answer.ts';
import { countText, type FieldsOf, invalid, otherwise, type Readers, readFields } from './fields.ts';
import { jsonAnswer } from './json-answer.ts';
import { readJson } from './read-json.ts';
import { acceptsStream, streamAnswer, type Work } from './work-stream.ts';

/** A request to one end-point. */
export interface AdminRequest {
  readonly message: IncomingMessage;
  readonly query: URLSearchParams;
  /** The part of the path that names what it is about; empty where there is none. */
  readonly name: string;
}

export type Endpoint = (request: AdminRequest) => Promise<Answer>;
/** What can be done at each path below `/api/v1`. */
export type Endpoints = Readonly<Record<string, Readonly<Record<string, Endpoint>>>>;

const PAGE_LIMIT = 1000;
const DEFAULT_PAGE = 100;
/** Who waits for plain JSON does not follow the work. */
const NEVER = new AbortController().signal;

/** How many entries of a list are asked for. */
export const limit = otherwise(DEFAULT_PAGE, countText(1, PAGE_LIMIT));

/** @throws Refusal, OperationError `INVALID` */
export async function readBody<R extends Readers>(
  { message, query }: AdminRequest,
  readers: R,
  limitBytes?: number,
): Promise<FieldsOf<R>> {
  // A `?dryRun=true` that is passed over would be the end of what it was to spare.
  if (query.size > 0) throw invalid('this request takes its fields from a JSON body, not from the URL');
  return readFields(await readJson(message, limitBytes), readers);
}

/** Work that may take minutes: who asks for lines is kept awake by them, everyone else gets plain JSON at its end. */
export async function workAnswer({ message }: AdminRequest, work: Work): Promise<Answer> {
  return acceptsStream(message)
    ? streamAnswer(work)
    : jsonAnswer(await work({ signal: NEVER, onProgress: () => undefined }));
}
