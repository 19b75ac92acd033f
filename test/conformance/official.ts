import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../support/certificate.ts';
import { accessRules, HOSTED_RULES, NAMESPACES, PASSWORD, startHosted, type TestHosted } from '../support/hosted.ts';
import { buildIndex } from '../support/images.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { MANIFEST, SIGNATURE } from './support/manifests.ts';
import { type Counts, runOfficialSuite } from './support/official-suite.ts';

/** A way to run the official suite: `npm run test:conformance` takes all of them. */
interface Way {
  readonly name: string;
  readonly door: 'mirror' | 'registry';
  readonly isEncrypted?: boolean;
  readonly env: Readonly<Record<string, string>>;
}

const LOGIN = { OCI_USERNAME: 'ci', OCI_PASSWORD: PASSWORD };
const ALL_DATA = { OCI_DATA_SPARSE: 'true' };
const PUSHING: readonly Way[] = [
  { name: '1.0', door: 'registry', env: { OCI_VERSION: '1.0', ...LOGIN, ...repositories('local') } },
  { name: '1.1', door: 'registry', env: { OCI_VERSION: '1.1', ...LOGIN, ...repositories('local') } },
  {
    name: '1.1 all data',
    door: 'registry',
    env: { OCI_VERSION: '1.1', ...LOGIN, ...ALL_DATA, ...repositories('sparse') },
  },
  {
    name: 'dev all data',
    door: 'registry',
    env: { OCI_VERSION: 'dev', ...LOGIN, ...ALL_DATA, ...repositories('sparse') },
  },
  {
    name: 'dev TLS',
    door: 'registry',
    isEncrypted: true,
    env: { OCI_VERSION: 'dev', ...LOGIN, ...ALL_DATA, ...repositories('sparse') },
  },
  { name: 'dev no login', door: 'mirror', env: { OCI_VERSION: 'dev', ...ALL_DATA, ...repositories('open') } },
];

const program = process.env['OCI_CONFORMANCE'];
if (!program) {
  console.error('OCI_CONFORMANCE must name the program of the official suite. To build it:');
  console.error('  git clone https://github.com/opencontainers/distribution-spec');
  console.error('  cd distribution-spec/conformance && go build -o /tmp/oci-conformance .');
  process.exit(2);
}
const reports = process.env['OCI_RESULTS_DIR'] ?? join(tmpdir(), 'entrepot-conformance');
const results = new Map<string, Counts>();
await pushAndPull(program);
await pullThrough(program);
console.table(Object.fromEntries(results));
console.log(`reports: ${reports}`);
const isConformant = [...results.values()].every(({ failed, skipped, passed }) => failed + skipped === 0 && passed > 0);
process.exit(isConformant ? 0 : 1);

async function pushAndPull(suite: string): Promise<void> {
  await using certificates = await temporaryDirectory();
  const { certFile, keyFile } = await makeCertificate(certificates.path);
  for (const way of PUSHING) {
    const tls = way.isEncrypted ? { tls: { cert: certFile, key: keyFile } } : {};
    await using server = await startOpen({ registry: { listen: '127.0.0.1:0', ...tls } });
    await run(suite, server, way, way.isEncrypted ? certFile : undefined);
  }
}

/** A read-only registry: first nothing is cached, then all. docker-registry as a mirror passes 21 of the 26 checks. */
async function pullThrough(suite: string): Promise<void> {
  await using origin = await startOrigin({ referrers: true, allowUnexpected: true });
  const env = readOnly(origin);
  await using server = await startOpen({}, origin);
  await run(suite, server, { name: 'read-only cold', door: 'mirror', env });
  await run(suite, server, { name: 'read-only warm', door: 'mirror', env });
  await run(suite, server, { name: 'read-only login', door: 'registry', env: { ...env, ...LOGIN } });
}

async function run(suite: string, server: TestHosted, { name, door, env }: Way, certFile?: string): Promise<void> {
  const url = door === 'mirror' ? server.url : server.registryUrl;
  const folder = join(reports, name.replaceAll(' ', '-'));
  const counts = await runOfficialSuite({ program: suite, url, certFile, env, folder });
  results.set(name, counts);
  console.error(`${name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

/** With a namespace that everyone may write to, since the suite logs in only where it is asked to. */
function startOpen(sections: Readonly<Record<string, unknown>>, origin?: Origin): Promise<TestHosted> {
  const everyone = { who: 'anonymous', may: ['pull', 'push', 'delete'], in: ['open/**'] };
  return startHosted({
    ...(origin && { origin }),
    config: {
      ...sections,
      hosted: [...NAMESPACES, 'open'],
      hostedRules: [...HOSTED_RULES, { repositories: ['open/**'], sparse: true }],
      access: { htpasswd: './htpasswd', policy: [everyone, ...accessRules(origin !== undefined)] },
    },
  });
}

function repositories(namespace: string): Record<string, string> {
  return { OCI_REPO1: `${namespace}/conformance/one`, OCI_REPO2: `${namespace}/conformance/two` };
}

/** An index of two images, one of them tagged too, and a signature: nine things, two requests to each, and eight more. */
function readOnly(origin: Origin): Record<string, string> {
  const name = 'library/conformance';
  const index = buildIndex(origin, name, 'latest');
  origin.moveTag(name, 'amd64', index.images[0]?.digest ?? '');
  const subject = { mediaType: index.mediaType, digest: index.digest, size: index.bytes.length };
  origin.addManifest(name, undefined, { schemaVersion: 2, artifactType: SIGNATURE, subject }, MANIFEST);
  return {
    // The suite cannot tell digest headers of content that it did not make, as `dev` would have it.
    OCI_VERSION: '1.1',
    OCI_REPO1: name,
    OCI_API_PUSH: 'false',
    OCI_API_TAGS_DELETE: 'false',
    OCI_API_MANIFESTS_DELETE: 'false',
    OCI_API_BLOBS_DELETE: 'false',
    OCI_RO_DATA_TAGS: 'latest amd64',
    OCI_RO_DATA_MANIFESTS: [index.digest, ...index.images.map(({ digest }) => digest)].join(' '),
    OCI_RO_DATA_BLOBS: index.images.flatMap(({ config, layers }) => [config, ...layers]).join(' '),
    OCI_RO_DATA_REFERRERS: index.digest,
  };
}
