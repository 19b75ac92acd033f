import type { JobState, ReplicationOperations } from '../../replication/replication-operations.ts';
import type { Answer } from '../answer.ts';
import { type AdminRequest, type Endpoint, type Endpoints, limit, readBody, workAnswer } from './endpoint.ts';
import { count, countText, flag, invalid, optional, otherwise, type Reader, readQuery, text } from './fields.ts';
import { jsonAnswer } from './json-answer.ts';

const STATES: readonly JobState[] = ['pending', 'running', 'waiting', 'parked', 'held'];
const NUMBER = countText(0, Number.MAX_SAFE_INTEGER);
const LINK = { rule: optional(text), peer: optional(text) };

/** What operators can see and do of replication. */
export function replicationEndpoints(replication: ReplicationOperations): Endpoints {
  return { ...lists(replication), ...works(replication), ...changes(replication) };
}

function lists(replication: ReplicationOperations): Endpoints {
  return {
    '/replication': {
      GET: async ({ query }) => {
        readQuery(query, {});
        return jsonAnswer(await replication.status());
      },
    },
    '/replication/jobs': {
      GET: async ({ query }) => {
        const page = readQuery(query, { ...LINK, state: optional(jobState), after: optional(NUMBER), limit });
        return jsonAnswer({ jobs: await replication.jobs(page) });
      },
    },
    '/replication/history': {
      GET: async ({ query }) => {
        const page = readQuery(query, { ...LINK, before: optional(NUMBER), limit });
        return jsonAnswer({ history: await replication.history(page) });
      },
    },
    '/replication/conflicts': {
      GET: async ({ query }) => {
        const page = readQuery(query, { before: optional(NUMBER), limit });
        return jsonAnswer({ conflicts: await replication.conflicts(page) });
      },
    },
  };
}

function works(replication: ReplicationOperations): Endpoints {
  return {
    '/replication/run': {
      POST: async (request) => {
        const fields = await readBody(request, {
          rule: text,
          peer: optional(text),
          dryRun: otherwise(false, flag),
          now: otherwise(false, flag),
        });
        return workAnswer(request, (options) => replication.replicate(fields, options));
      },
    },
    '/replication/diff': {
      POST: async (request) => {
        const fields = await readBody(request, { peer: text, rule: optional(text) });
        return workAnswer(request, (options) => replication.diff(fields, options));
      },
    },
  };
}

function changes(replication: ReplicationOperations): Endpoints {
  const change = (act: (what: { rule?: string; peer?: string }) => Promise<void>): Endpoint => {
    return async (request): Promise<Answer> => {
      await act(await readBody(request, LINK));
      return { status: 204, headers: {} };
    };
  };
  return {
    '/replication/pause': { POST: change((what) => replication.pause(what)) },
    '/replication/resume': { POST: change((what) => replication.resume(what)) },
    '/replication/retry': {
      POST: async (request: AdminRequest) => {
        const what = await readBody(request, { ...LINK, job: optional(count(1, Number.MAX_SAFE_INTEGER)) });
        return jsonAnswer(await replication.retry(what));
      },
    },
    '/replication/approve': {
      POST: async (request: AdminRequest) => {
        return jsonAnswer(await replication.approve(await readBody(request, { rule: text, peer: text })));
      },
    },
  };
}

const jobState: Reader<JobState> = (value, name) => {
  const state = STATES.find((known) => known === value);
  if (state === undefined) throw invalid(`"${name}" must be one of ${STATES.join(', ')}`);
  return state;
};
