import { describe, expect, test } from 'vitest';
import { formatProblem } from '../../src/config/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';
import { failureOf, problemsOf } from './load-text.ts';

async function linesOf(text: string | Uint8Array): Promise<string[]> {
  const error = await failureOf(text);
  expect(error.code).toBe('CONFIG_INVALID');
  return error.problems.map((problem) => formatProblem(error.file, problem));
}

test('all mistakes of a file are told at once, in its order, with place, key and remedy', async () => {
  const lines = await linesOf(`site: "a b"
servr: {}
server:
  listen: 5000
  tls: {cert: missing.pem}
upstreams:
  docker.io:
    freshFor: 5 minutes
    freshFr: 5m
    retries: 99
  ghcr.io:
    timeouts: {stall: 0}
    proxy: ftp://proxy
log:
  level: \${LEVEL}
`);
  expect(lines.map((line) => line.replace(/names \/.*\//, 'names /.../'))).toEqual([
    'config.yaml:1:1: site: "a b" is not a name of a site; use up to 63 letters, digits, dots and dashes, for example eu-west',
    'config.yaml:2:1: servr: is not a known key; did you mean server?',
    'config.yaml:4:3: server.listen: "5000" is not an address to listen on; write for example 127.0.0.1:5000, "[::1]:5000" or :5000',
    'config.yaml:5:3: server.tls.key: is missing; it must be text',
    'config.yaml:5:9: server.tls.cert: names /.../missing.pem: there is no such file',
    'config.yaml:8:5: upstreams."docker.io".freshFor: "5 minutes" is not a duration; write for example 5m, 30s, 1h30m or forever',
    'config.yaml:9:5: upstreams."docker.io".freshFr: is not a known key; did you mean freshFor?',
    'config.yaml:10:5: upstreams."docker.io".retries: "99" is not a whole number from 0 to 20',
    'config.yaml:12:16: upstreams."ghcr.io".timeouts.stall: must be from 1ms to 1d',
    'config.yaml:13:5: upstreams."ghcr.io".proxy: must start with http:// or https://',
    'config.yaml:15:3: log.level: uses the environment variable LEVEL, which is not set; set it, or write ${LEVEL:-default}',
  ]);
});

describe('a wrong value is refused', () => {
  test.each([
    ['server: {drainTimeout: forever}', 'server.drainTimeout', 'must be from 0 to 1d'],
    ['server: []', 'server', 'must be a map of keys, not a list'],
    ['server: {listen: }', 'server.listen', 'has no value; give it one or remove the key'],
    ['admin: {listen: 127.0.0.1:5000}', 'admin.listen', 'is the same address as server.listen'],
    ['registry: {}', 'registry.listen', 'is missing; it must be an address'],
    ['storage: {path: ""}', 'storage.path', 'is empty'],
    ['storage: {quota: 0}', 'storage.quota', 'must be from 1MiB'],
    ['storage: {quota: 100G}', 'storage.quota', '"100G" is not a size; write for example 100GiB'],
    ['pull: {readAhead: yes}', 'pull.readAhead', 'must be true or false, not text'],
    ['pull: {fillConnections: 2.5}', 'pull.fillConnections', '"2.5" is not a whole number from 1 to 64'],
    ['pull: {manifestLimit: 1GiB}', 'pull.manifestLimit', 'must be from 1KiB to 256MiB'],
    ['log: {format: xml}', 'log.format', '"xml" is not known; write auto, json, or pretty'],
    ['upstreams: [docker.io]', 'upstreams', 'must be a map of names, not a list'],
    ['upstreams: {}', 'upstreams', 'is empty; name a registry'],
    ['upstreams:', 'upstreams', 'is empty; name a registry'],
    ['upstreams: {library: }', 'upstreams.library', 'is not the name of a registry'],
    ['upstreams: {"https://ghcr.io": }', 'upstreams."https://ghcr.io"', 'is not the name of a registry'],
    [
      'upstreams: {docker.io: , index.docker.io: }',
      'upstreams."index.docker.io"',
      'means docker.io, as docker.io does',
    ],
    [
      'upstreams: {a.io: {default: true}, b.io: {default: true, retries: x}}',
      'upstreams."b.io".default',
      'is true for a.io too',
    ],
    ['upstreams: {a.io: {url: a.io}}', 'upstreams."a.io".url', 'is not a URL; write for example https://'],
    ['upstreams: {a.io: {url: "ftp://a.io"}}', 'upstreams."a.io".url', 'must start with http:// or https://'],
    ['upstreams: {a.io: {url: "https://a.io/v2/"}}', 'upstreams."a.io".url', 'must not have a path'],
    ['upstreams: {a.io: {url: "https://a.io?"}}', 'upstreams."a.io".url', 'must not have a query or a fragment'],
    ['upstreams: {a.io: {allowHosts: [10.0.0.0/8]}}', 'upstreams."a.io".allowHosts[0]', 'is not a host'],
    ['upstreams: {a.io: {allowHosts: ["*"]}}', 'upstreams."a.io".allowHosts[0]', 'is not a host'],
    ['upstreams: {a.io: {allowHosts: ["*.10.0.0.1"]}}', 'upstreams."a.io".allowHosts[0]', 'is not a host'],
    ['upstreams: {a.io: {ca: .}}', 'upstreams."a.io".ca', 'it is a directory, not a file'],
    ['hosted: [a/b]', 'hosted[0]', 'is not a namespace'],
    ['hosted: [local, local]', 'hosted[1]', 'is given twice'],
    ['hosted: [ghcr.io]', 'hosted[0]', 'is the name of an upstream'],
    ['pins: ["a***"]', 'pins[0]', 'is not a pattern of images'],
    ['pins: ["a@sha256:12"]', 'pins[0]', 'is not a pattern of images'],
    ['access: {policy: [{who: a, may: [fly], in: ["**"]}]}', 'access.policy[0].may[0]', 'delete, or replicate'],
    ['access: {policy: [{who: "a b", may: [pull], in: ["**"]}]}', 'access.policy[0].who', 'is not a name'],
    ['access: {htpasswd: nowhere}', 'access.htpasswd', 'there is no such file'],
    ['access: {audit: nowhere/audit.log}', 'access.audit', 'there is no such folder; make it first'],
    ['access: {audit: .}', 'access.audit', 'it is a directory, not a file'],
    ['access: {audit: }', 'access.audit', 'has no value'],
    ['access: {policy: []}', 'access.policy', 'is empty; give at least one'],
    ['access: {policy: [{may: [pull], in: ["**"]}]}', 'access.policy[0].who', 'is missing; it must be a name'],
    ['access: {policy: [{who: [], may: [pull], in: ["**"]}]}', 'access.policy[0].who', 'give at least one'],
    ['access: {policy: [{who: [a, b:c], may: [pull], in: ["**"]}]}', 'access.policy[0].who[1]', 'is not a name'],
    ['access: {policy: [{who: a, in: ["**"]}]}', 'access.policy[0]', 'give it may or mayNot'],
    ['access: {policy: [{who: a, may: [], in: ["**"]}]}', 'access.policy[0].may', 'is empty; give at least one'],
    ['access: {policy: [{who: a, mayNot: [fly], in: ["**"]}]}', 'access.policy[0].mayNot[0]', '"fly" is not known'],
    [
      'access: {policy: [{who: a, may: [pull, push], mayNot: [delete, push], in: ["**"]}]}',
      'access.policy[0].mayNot[1]',
      'is under may too; keep one of them',
    ],
    ['access: {policy: [{who: a, mayNot: [pull]}]}', 'access.policy[0].in', 'is missing; it must be a list'],
    ['access: {policy: [{who: a, may: [pull], in: []}]}', 'access.policy[0].in', 'give at least one'],
    ['access: {policy: [{who: a, may: [pull], in: ["A/b"]}]}', 'access.policy[0].in[0]', 'is not a pattern of repos'],
    ['access: {policy: [{who: a, may: [pull], in: ["*"]}]}', 'access.policy[0].in[0]', 'names begin with a registry'],
    [
      'hosted: [local]\naccess: {policy: [{who: a, mayNot: [pull], in: ["**", "locl/*"]}]}',
      'access.policy[0].in[1]',
      'matches no repository: names begin with a registry; did you mean local?',
    ],
    ['access: {policy: [{who: a, may: [pull], in: [library/*]}]}', 'access.policy[0].in[0]', 'known here: docker.io,'],
    ['server: {tls: {cert: a}}', 'server.tls.key', 'is missing; it must be text'],
    ['registry: {listen: ":5002", tls: {cert: a}}', 'registry.tls.cert', 'there is no such file'],
    ['registry: {tls: {key: a}}', 'registry.tls.cert', 'is missing; it must be text'],
    ['registry: {listen: ":5002", url: registry.example}', 'registry.url', 'is not a URL'],
    ['registry: {listen: ":5002", url: "https://a/v2"}', 'registry.url', 'must not have a path'],
    ['registry: {listen: 127.0.0.1:5001}', 'registry.listen', 'is the same address as admin.listen'],
    ['admin: {tls: {cert: a, key: b, clientCa: c}}', 'admin.tls.clientCa', 'there is no such file'],
    ['admin: {tls: }', 'admin.tls.cert', 'is missing; it must be text'],
    ['hosted: [local]\nhostedRules: {}', 'hostedRules', 'must be a list, not a map of keys'],
    ['hosted: [local]\nhostedRules: [{deletes: false}]', 'hostedRules[0].repositories', 'is missing'],
    [
      'hosted: [local]\nhostedRules: [{repositories: ["local/**"]}]',
      'hostedRules[0]',
      'changes nothing; give it at least one of immutable, deletes, sparse, siblings, retention',
    ],
    [
      'hostedRules: [{repositories: [local/a]}]',
      'hostedRules[0].repositories[0]',
      'name a namespace under hosted first',
    ],
    [
      'hosted: [local, team]\nhostedRules: [{repositories: ["**/a", local, "docker.io/**"]}]',
      'hostedRules[0].repositories[1]',
      'matches nothing that is hosted; begin it with one of local, team, for example "local/**"',
    ],
    [
      'hosted: [a]\nhostedRules: [{repositories: ["docker.io/**"]}]',
      'hostedRules[0].repositories[0]',
      'matches nothing',
    ],
    ['hostedRules: [{immutable: ["v/1"]}]', 'hostedRules[0].immutable[0]', 'is not a pattern of tags'],
    ['hostedRules: [{sparse: perhaps}]', 'hostedRules[0].sparse', 'must be true or false'],
    ['hostedRules: [{retention: {}}]', 'hostedRules[0].retention', 'keeps nothing; give it at least one of keepLast,'],
    ['hostedRules: [{retention: {keepLast: 0}}]', 'hostedRules[0].retention.keepLast', 'from 1 to 1000000'],
    ['hostedRules: [{retention: {keepTags: []}}]', 'hostedRules[0].retention.keepTags', 'give at least one'],
    ['hostedRules: [{retention: {keepLst: 1}}]', 'hostedRules[0].retention.keepLst', 'did you mean keepLast?'],
    ['hostedRules: [{retention: {keepYoungerThan: 0}}]', 'hostedRules[0].retention.keepYoungerThan', 'must be from 1s'],
    ['hostedRules: [{retention: {keepPulledWithin: 1y}}]', 'hostedRules[0].retention.keepPulledWithin', '30s or 1h30m'],
    ['retention: {schedule: nightly}', 'retention.schedule', 'is not five fields of cron'],
    ['retention: [{keepLast: 1}]', 'retention', 'must be a map of keys, not a list'],
    ['uploads: {expire: never}', 'uploads.expire', '"never" is not a duration; write for example 5m'],
    ['uploads: {expire: 0}', 'uploads.expire', 'must be from 1s to 365d'],
    ['events: {keep: 1s}', 'events.keep', 'must be from 1m to forever'],
    ['webhooks: {scanner: }', 'webhooks', 'must be a list, not a map of keys'],
    ['webhooks: [a]', 'webhooks[0]', 'must be a map of keys, not text'],
    ['webhooks: [{url: "https://a"}]', 'webhooks[0].name', 'is missing; it must be a name'],
    ['webhooks: [{name: a b}]', 'webhooks[0].name', '"a b" is not a name; use up to 63 letters'],
    ['webhooks: [{name: a}, {name: a}]', 'webhooks[1].name', 'is the name of an earlier webhook too'],
    ['webhooks: [{name: a}]', 'webhooks[0].url', 'is missing; it must be a URL; write for example https://'],
    ['webhooks: [{url: "ftp://a"}]', 'webhooks[0].url', 'must start with http:// or https://'],
    ['webhooks: [{url: "https://a/#b"}]', 'webhooks[0].url', 'must not have a fragment'],
    ['webhooks: [{format: xml}]', 'webhooks[0].format', 'write cloudevents or distribution'],
    ['webhooks: [{events: [pull]}]', 'webhooks[0].events[0]', 'push, fill, tag, untag, delete, or blob'],
    ['webhooks: [{events: []}]', 'webhooks[0].events', 'is empty; give at least one'],
    ['webhooks: [{repositories: [nginx]}]', 'webhooks[0].repositories[0]', 'matches no repository'],
    ['webhooks: [{timeout: 0}]', 'webhooks[0].timeout', 'must be from 100ms to 5m'],
    ['webhooks: [{tokenFile: nowhere}]', 'webhooks[0].tokenFile', 'there is no such file'],
    ['webhooks: [{secret: 5}]', 'webhooks[0].secret', 'must be text, not a number'],
    ['peers: {a: }', 'peers.a.url', 'is missing; it must be a URL'],
    ['peers: {"a b": {url: "https://a"}}', 'peers."a b"', 'is not a name'],
    ['replication: [{name: x, repositories: [], to: [y]}]', 'replication[0].repositories', 'give at least one'],
    ['replication: [{name: x, repositories: [a], to: [y]}]', 'replication[0].to[0]', 'name it under peers first'],
    ['replication: [{name: x}, {name: x}]', 'replication[1].name', 'is the name of an earlier rule too'],
    ['replication: [{trigger: hourly}]', 'replication[0].trigger', 'write event, manual or {schedule: "0 * * * *"}'],
    ['replication: [{trigger: {schedule: "0 *"}}]', 'replication[0].trigger.schedule', 'is not five fields of cron'],
    ['replication: [{trigger: {schedule: "0 24 * * *"}}]', 'replication[0].trigger.schedule', 'has the hour "24"'],
    ['replication: [{platforms: [amd64]}]', 'replication[0].platforms[0]', 'write for example linux/amd64'],
    ['replication: [{bandwidth: 50MiB}]', 'replication[0].bandwidth', 'is not a rate; write for example 50MiB/s'],
    ['replication: [{bandwidth: 0/s}]', 'replication[0].bandwidth', 'must be from 1KiB/s'],
    ['peers: {a: {url: "https://a", only: "8pm"}}', 'peers.a.only', 'write for example "20:00-06:00"'],
    ['peers: {a: {url: "https://a", only: ["20:00-06:00", x]}}', 'peers.a.only[1]', 'is not a part of the day'],
    ['peers: {a: {url: "https://a", chunks: 1KiB}}', 'peers.a.chunks', 'must be from 64KiB'],
    ['peers: {a: {url: "https://a", site: "a b"}}', 'peers.a.site', 'is not a name of a site'],
    ['upstreams: {docker.io: {siblings: [a]}}', 'upstreams."docker.io".siblings[0]', 'name it under peers first'],
    [
      'hosted: [l]\nhostedRules: [{repositories: ["l/**"], siblings: [b]}]\npeers: {a: {url: "https://a"}}',
      'hostedRules[0].siblings[0]',
      'is not a peer; write one of a',
    ],
    ['replication: [{name: "a b"}]', 'replication[0].name', 'is not a name'],
    ['replication: [{tags: ["semver:x y"]}]', 'replication[0].tags[0]', 'has a range that is none; write for example'],
    ['replication: [{tags: ["regex:("]}]', 'replication[0].tags[0]', 'has an expression that is none'],
    ['replication: [{tags: [1]}]', 'replication[0].tags[0]', 'must be a pattern of tags'],
    [
      'replication: [{artifactTypes: ["a b"]}]',
      'replication[0].artifactTypes[0]',
      'is not a pattern of artifact types',
    ],
    ['replication: [{maxDelete: 110%}]', 'replication[0].maxDelete', 'must be from 0% to 100%'],
    ['replication: [{check: daily}]', 'replication[0].check', 'is not five fields of cron'],
    ['replication: [{repositories: ["ghost.io/**"]}]', 'replication[0].repositories[0]', 'matches no repository'],
    ['replication: [{as: "{name}"}]', 'replication[0].as', 'is not a name at the peer'],
    ['replication: [{as: "../{repository}"}]', 'replication[0].as', 'is not a name at the peer'],
    ['replication: [{as: "a//{repository}"}]', 'replication[0].as', 'is not a name at the peer'],
    ['replication: [{as: "{repository}/"}]', 'replication[0].as', 'is not a name at the peer'],
    [
      'replication: [{repositories: ["docker.io/library/*"], as: eu/all}]',
      'replication[0].as',
      'would be the name of several repositories; write for example eu/all/{repository}',
    ],
    [
      'peers: {a: {url: "https://a"}}\nreplication: [{to: [a, a]}]',
      'replication[0].to[1]',
      'is given twice; keep one of them',
    ],
    [
      'peers: {a: {url: "https://a"}}\nupstreams: {docker.io: {siblings: [a, a]}}',
      'upstreams."docker.io".siblings[1]',
      'is given twice; keep one of them',
    ],
    ['replication: [{tags: ["regex:"]}]', 'replication[0].tags[0]', 'says nothing; write for example'],
    ['replication: [{tags: ["semver: "]}]', 'replication[0].tags[0]', 'says nothing; write for example'],
    ['storage: {lowWatermark: 90}', 'storage.lowWatermark', 'must be from 0.01% to 100%'],
    ['storage: {lowWatermark: 0}', 'storage.lowWatermark', 'must be from 0.01% to 100%'],
    ['storage: {lowWatermark: most}', 'storage.lowWatermark', 'is not a percentage; write for example 10% or 0.1'],
    ['scrub: never', 'scrub', 'must be a map of keys, not text'],
    ['scrub: {every: weekly}', 'scrub.every', '"weekly" is not a duration; write for example 7d, 12h or never'],
    ['scrub: {every: 30s}', 'scrub.every', 'must be from 1m to forever'],
    ['scrub: {rate: 50MiB}', 'scrub.rate', '"50MiB" is not a rate; write for example 50MiB/s'],
    ['scrub: {rate: 1B/s}', 'scrub.rate', 'must be from 1KiB/s'],
    ['upstreams: {a.io: {quota: 1KiB}}', 'upstreams."a.io".quota', 'must be from 1MiB'],
    ['upstreams: {a.io: {rateReserve: 101%}}', 'upstreams."a.io".rateReserve', 'must be from 0% to 100%'],
    ['upstreams: {a.io: {offline: sometimes}}', 'upstreams."a.io".offline', 'must be true or false'],
    ['upstreams: {a.io: {allow: all}}', 'upstreams."a.io".allow', 'must be a list, not text'],
    ['upstreams: {a.io: {allow: ["a b"]}}', 'upstreams."a.io".allow[0]', 'is not a pattern of repositories'],
    ['upstreams: {a.io: {deny: ["a:1"]}}', 'upstreams."a.io".deny[0]', 'is not a pattern of repositories'],
    ['upstreams: {a.io: {immutable: ["v/1"]}}', 'upstreams."a.io".immutable[0]', 'is not a pattern of tags'],
    ['upstreams: {a.io: {onUpstreamDelete: ask}}', 'upstreams."a.io".onUpstreamDelete', 'write keep or drop'],
    ['upstreams: {a.io: {rules: [{freshFor: 1m}]}}', 'upstreams."a.io".rules[0].repositories', 'is missing'],
    ['upstreams: {a.io: {rules: [{repositories: []}]}}', 'upstreams."a.io".rules[0].repositories', 'at least one'],
    [
      'upstreams: {a.io: {rules: [{repositories: ["**"]}]}}',
      'upstreams."a.io".rules[0]',
      'changes nothing; give it at least one of freshFor, staleWhileRevalidate,',
    ],
    ['upstreams: {a.io: {rules: [{freshFor: soon}]}}', 'upstreams."a.io".rules[0].freshFor', 'is not a duration'],
    ['upstreams: {a.io: {rules: [{freshfor: 1m}]}}', 'upstreams."a.io".rules[0].freshfor', 'did you mean freshFor?'],
    ['warm: {images: [alpine]}', 'warm', 'must be a list, not a map of keys'],
    ['warm: [{schedule: "0 5 * * *"}]', 'warm[0].images', 'is missing; it must be a list'],
    ['warm: [{images: [alpine]}]', 'warm[0].schedule', 'is missing; it must be five fields of cron'],
    ['warm: [{images: []}]', 'warm[0].images', 'is empty; give at least one'],
    ['warm: [{images: ["library/*"]}]', 'warm[0].images[0]', 'of which the tag alone may be a pattern'],
    ['warm: [{images: ["alpine:"]}]', 'warm[0].images[0]', 'is not an image'],
    ['warm: [{images: ["alpine@sha256:12"]}]', 'warm[0].images[0]', 'is not an image'],
    ['warm: [{images: ["Alpine"]}]', 'warm[0].images[0]', 'is not an image'],
    ['warm: [{platforms: [x86]}]', 'warm[0].platforms[0]', 'is not a platform; write for example linux/amd64'],
    ['warm: [{schedule: daily}]', 'warm[0].schedule', 'is not five fields of cron'],
    ['warm: [{schedule: 5}]', 'warm[0].schedule', 'must be five fields of cron'],
    ['warm: [{schedule: "0 5 31 6 *"}]', 'warm[0].schedule', 'names a day that never comes'],
    [
      'pins: [dokcer.io/library/debian]',
      'pins[0]',
      'begins with a registry that is no upstream; did you mean docker.io?',
    ],
    ['pins: ["registry.example.com:5000/a:1"]', 'pins[0]', 'known here: docker.io, ghcr.io, quay.io'],
    ['upstreams: {}\nhosted: [local]\npins: [lokal.x/a]', 'pins[0]', 'known here: local'],
    ['warm: [{}, {images: [alpine, qay.io/a/b]}]', 'warm[1].images[1]', 'did you mean quay.io?'],
    ['pins: [docker.io]', 'pins[0]', 'is a registry; write "docker.io/**" for all of it'],
    ['upstreams: {ghcr.io: }\npins: ["debian:*"]', 'pins[0]', 'names no registry, and no upstream is the default'],
    [
      'upstreams: {ghcr.io: }\nwarm: [{images: [ghcr.io/a, debian]}]',
      'warm[0].images[1]',
      'names no registry, and no upstream is the default',
    ],
    ['hosted: [local]\nwarm: [{images: [local/app]}]', 'warm[0].images[0]', 'is hosted here'],
    ['__proto__: {a: 1}', '__proto__', 'is not a known key'],
    ['pull: {zzzzzzzz: 1}', 'pull.zzzzzzzz', 'known here: readAhead, manifestLimit'],
  ])('%s', async (text, path, message) => {
    expect(await problemsOf(text)).toContainEqual({
      path,
      line: expect.any(Number),
      column: expect.any(Number),
      message: expect.stringContaining(message),
    });
  });
});

test('a registry is not missed where a pattern may mean another one, nor where its upstream has a mistake', async () => {
  const pins = '["*.io/a", "library/debian:12", "debian:12", "**", "index.docker.io/a/b", b.io/a]';
  const text = `upstreams: {docker.io: {retries: 99}, b.io: }\npins: ${pins}\nwarm: [{images: [docker.io/a]}]`;
  const paths = (await problemsOf(text)).map(({ path }) => path);
  expect(paths).toEqual(['upstreams."docker.io".retries', 'warm[0].schedule']);
});

describe('text that is not proper YAML is refused', () => {
  test.each([
    ['an unclosed quote', 'site: "a', [/^config\.yaml:1:9: a character is missing here/]],
    ['a tab', 'server:\n\tlisten: :1', [/^config\.yaml:2:1: a tab cannot indent; use spaces/]],
    ['an address that needs quotes', 'server:\n  listen: [::1]:5000', [/^config\.yaml:2:16: this is not valid YAML/]],
    ['a second document', 'site: a\n---\nsite: b', [/^config\.yaml:2:1: a second YAML document starts here/]],
    ['an unknown tag', 'site: !env NAME', [/^config\.yaml:1:7: this tag is not supported/]],
    ['a list', '- a', [/^config\.yaml:1:1: must be a map of keys, not a list/]],
    ['an alias of nothing', 'site: *a', [/^config\.yaml:1:7: this alias \(\*\) has no anchor \(&\) above it/]],
    [
      'an alias of itself',
      'pins: &a [*a]',
      [/^config\.yaml:1:11: pins\[0\]: is an alias of something that it is part of/],
    ],
    [
      'a key given twice, beside other mistakes',
      'site: a\nsite: b\nlog: 5',
      [/^config\.yaml:2:1: site: this key is given twice/, /^config\.yaml:3:1: log: must be a map of keys/],
    ],
    ['deep nesting', `pins: ${'['.repeat(100_000)}`, [/^config\.yaml:1:\d+: this is nested too deeply/]],
    ['an alias bomb', bomb(), [/^config\.yaml:1:1: more than 100 values come from aliases/]],
  ])('%s', async (_name, text, expected) => {
    const lines = await linesOf(text);
    expect(lines).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });
});

/** Nine lists of nine aliases each: 9^9 values. */
function bomb(): string {
  const lines = ['k0: &a0 [x]'];
  for (let depth = 1; depth <= 9; depth++) {
    lines.push(
      `k${depth}: &a${depth} [${Array<string>(9)
        .fill(`*a${depth - 1}`)
        .join(', ')}]`,
    );
  }
  return lines.join('\n');
}

describe('a file that cannot be read is refused', () => {
  test.each([
    ['nowhere.yaml', 'nowhere.yaml: cannot read the configuration: there is no such file'],
    ['.', '.: cannot read the configuration: it is a directory, not a file'],
    ['package.json/x', 'package.json/x: cannot read the configuration: there is no such file'],
  ])('%s', async (file, message) => {
    await expect(loadConfig({ file, env: {}, cwd: process.cwd() })).rejects.toThrow(message);
  });

  test('one of more than a mebibyte', async () => {
    expect(await linesOf(`# ${'x'.repeat(1024 * 1024)}`)).toEqual([
      'config.yaml: cannot read the configuration: it is larger than 1024 KiB',
    ]);
  });

  test('one that is not UTF-8', async () => {
    expect(await linesOf(Uint8Array.of(0x61, 0x3a, 0x20, 0xff))).toEqual([
      'config.yaml: cannot read the configuration: it is not UTF-8 text',
    ]);
  });
});
