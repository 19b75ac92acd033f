import { parsePlatform } from '../../oci/platform.ts';
import type { Operations, PurgeTarget } from '../../registry/operations/operations.ts';
import type { ReplicationOperations } from '../../replication/replication-operations.ts';
import { backupAnswer } from './backup-answer.ts';
import { type Endpoint, type Endpoints, limit, readBody, workAnswer } from './endpoint.ts';
import { count, flag, invalid, optional, otherwise, readQuery, text, texts } from './fields.ts';
import { jsonAnswer } from './json-answer.ts';
import { replicationEndpoints } from './replication-endpoints.ts';
import { streamAnswer } from './work-stream.ts';

const MAX_CONCURRENCY = 64;
/** Enough for a list of two hundred thousand images. */
const LIST_LIMIT_BYTES = 16 * 1024 * 1024;

const dryRun = otherwise(false, flag);

/** The API's end-points. @param temporaryFolder where copies are made before they are sent */
export function endpointsOf(
  operations: Operations,
  replication: ReplicationOperations,
  temporaryFolder: string,
): Endpoints {
  return {
    ...replicationEndpoints(replication),
    ...readingEndpoints(operations, replication),
    ...pinEndpoints(operations),
    ...removingEndpoints(operations),
    ...fetchingEndpoints(operations),
    ...upkeepEndpoints(operations, temporaryFolder),
  };
}

function readingEndpoints(operations: Operations, replication: ReplicationOperations): Endpoints {
  return {
    '/status': {
      GET: async ({ query }) => {
        readQuery(query, {});
        return jsonAnswer({ ...(await operations.status()), replication: await replication.status() });
      },
    },
    '/repositories': {
      GET: async ({ query }) => {
        const page = readQuery(query, { prefix: optional(text), after: optional(text), limit });
        return jsonAnswer({ repositories: await operations.repositories(page) });
      },
    },
    '/images': {
      GET: async ({ query }) => {
        const page = readQuery(query, { repository: text, after: optional(text), limit });
        return jsonAnswer({ images: await operations.images(page) });
      },
    },
  };
}

function pinEndpoints(operations: Operations): Endpoints {
  const change = (act: (pattern: string) => Promise<void>): Endpoint => {
    return async (request) => {
      const { pattern } = await readBody(request, { pattern: text });
      await act(pattern);
      return { status: 204, headers: {} };
    };
  };
  return {
    '/pins': {
      GET: async ({ query }) => {
        readQuery(query, {});
        return jsonAnswer({ pins: await operations.pins() });
      },
      POST: change((pattern) => operations.pin(pattern)),
      DELETE: change((pattern) => operations.unpin(pattern)),
    },
  };
}

function removingEndpoints(operations: Operations): Endpoints {
  return {
    '/purge': {
      POST: async (request) => {
        const fields = await readBody(request, {
          image: optional(text),
          repository: optional(text),
          upstream: optional(text),
          dryRun,
        });
        const target = targetOf(fields);
        return workAnswer(request, (work) => operations.purge(target, { dryRun: fields.dryRun }, work));
      },
    },
    '/evict': {
      POST: async (request) => {
        const target = await readBody(request, { toBytes: count(0, Number.MAX_SAFE_INTEGER), dryRun });
        return workAnswer(request, (work) => operations.evict(target, work));
      },
    },
    '/retention': {
      POST: async (request) => {
        const options = await readBody(request, { dryRun });
        return workAnswer(request, () => operations.retention(options));
      },
    },
    '/gc': {
      POST: async (request) => {
        const options = await readBody(request, { dryRun });
        return workAnswer(request, () => operations.collectGarbage(options));
      },
    },
  };
}

function fetchingEndpoints(operations: Operations): Endpoints {
  return {
    '/refresh': {
      POST: async (request) => {
        const { image } = await readBody(request, { image: text });
        return workAnswer(request, async (work) => ({ refreshed: await operations.refresh(image, work) }));
      },
    },
    '/warm': {
      POST: async (request) => {
        const readers = {
          images: texts,
          platforms: otherwise([], texts),
          concurrency: optional(count(1, MAX_CONCURRENCY)),
        };
        const fields = await readBody(request, readers, LIST_LIMIT_BYTES);
        if (fields.images.length === 0) throw invalid('"images" is empty; name at least one');
        const unknown = fields.platforms.find((platform) => !parsePlatform(platform));
        if (unknown !== undefined) {
          throw invalid(`${JSON.stringify(unknown)} is not a platform; write for example linux/amd64 or linux/arm/v7`);
        }
        return streamAnswer((options) => operations.warm(fields, options));
      },
    },
  };
}

function upkeepEndpoints(operations: Operations, temporaryFolder: string): Endpoints {
  return {
    '/verify': {
      POST: async (request) => {
        const fields = await readBody(request, {
          image: optional(text),
          repository: optional(text),
          bytesPerSecond: optional(count(1, Number.MAX_SAFE_INTEGER)),
        });
        if (fields.image !== undefined && fields.repository !== undefined) {
          throw invalid('give "image" or "repository", not both');
        }
        return streamAnswer((options) => operations.verify(fields, options));
      },
    },
    '/scrub': {
      POST: async (request) => {
        await readBody(request, {});
        return jsonAnswer(await operations.startScrub());
      },
    },
    '/upstreams/:name/offline': {
      PUT: async (request) => {
        const { offline } = await readBody(request, { offline: flag });
        return jsonAnswer(await operations.setOffline(request.name, offline));
      },
    },
    '/backup': {
      GET: async ({ query }) => {
        readQuery(query, {});
        return backupAnswer(operations, temporaryFolder);
      },
    },
  };
}

function targetOf(fields: { image?: string; repository?: string; upstream?: string }): PurgeTarget {
  const { image, repository, upstream } = fields;
  if ([image, repository, upstream].filter((name) => name !== undefined).length === 1) {
    if (image !== undefined) return { image };
    if (repository !== undefined) return { repository };
    if (upstream !== undefined) return { upstream };
  }
  throw invalid('give one of "image", "repository" and "upstream"');
}
