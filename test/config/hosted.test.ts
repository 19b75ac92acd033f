import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadText } from './load-text.ts';

describe('a door', () => {
  const files = { 'tls.crt': '', 'tls.key': '', 'clients.pem': '' };
  const identity = {
    certFile: expect.stringMatching(/^\/.*\/tls\.crt$/),
    keyFile: expect.stringMatching(/\/tls\.key$/),
  };

  test('of each kind may have a certificate, and demand one of its clients', async () => {
    const tls = 'tls: {cert: tls.crt, key: ./tls.key}';
    const config = await loadText(
      `server: {${tls}}\nadmin: {tls: {cert: tls.crt, key: tls.key, clientCa: clients.pem}}\nregistry: {listen: ":0", ${tls}}`,
      { files },
    );
    expect(config.server.tls).toEqual(identity);
    expect(config.admin.tls).toEqual({ ...identity, clientCaFile: expect.stringMatching(/^\/.*\/clients\.pem$/) });
    expect(config.registry?.tls).toEqual(identity);
  });

  test('of the registry has the name that clients use', async () => {
    const { registry } = await loadText('registry: {listen: ":5002", url: "https://registry.example.com"}');
    expect(registry).toEqual({
      listen: { host: undefined, port: 5002 },
      url: new URL('https://registry.example.com/'),
    });
  });

  test('of the registry is not there unless it is asked for, and needs no access rules', async () => {
    expect((await loadText('')).registry).toBeUndefined();
    const { registry, access } = await loadText('registry: {listen: 127.0.0.1:5002}');
    expect([registry, access]).toEqual([{ listen: { host: '127.0.0.1', port: 5002 } }, undefined]);
  });
});

describe('access', () => {
  test('has rules in the order of the file, each for one or many, of what may and may not be done', async () => {
    const { access } = await loadText(
      `
hosted: [local]
access:
  htpasswd: htpasswd
  policy:
    - {who: ci, may: [pull, push, delete, replicate], in: ["local/**"]}
    - {who: [nobody-yet, authenticated], may: [pull], mayNot: [push, delete], in: ["**/base/*"]}
    - {who: anonymous, mayNot: [pull], in: ["*.io/**", "index.docker.io/alpine"]}
  audit: audit.log
`,
      { files: { htpasswd: '' } },
    );
    expect(access).toEqual({
      htpasswdFile: expect.stringMatching(/^\/.*\/htpasswd$/),
      policy: [
        { who: ['ci'], may: ['pull', 'push', 'delete', 'replicate'], mayNot: [], in: ['local/**'] },
        { who: ['nobody-yet', 'authenticated'], may: ['pull'], mayNot: ['push', 'delete'], in: ['**/base/*'] },
        { who: ['anonymous'], may: [], mayNot: ['pull'], in: ['*.io/**', 'docker.io/library/alpine'] },
      ],
      auditFile: expect.stringMatching(/^\/.*\/audit\.log$/),
    });
  });

  test('may go without each of its parts', async () => {
    expect((await loadText('access: {audit: stdout}')).access).toEqual({ auditFile: 'stdout' });
    expect((await loadText('access: {}')).access).toEqual({});
  });
});

describe('hosted repositories', () => {
  test('have rules whose defaults change nothing', async () => {
    const { hostedRules } = await loadText(`
hosted: [local, team]
hostedRules:
  - {repositories: ["local/**", "**"], immutable: ["v*"]}
  - {repositories: ["t*/app"], deletes: false, sparse: true}
  - repositories: ["*/app"]
    retention: {keepLast: 3, keepTags: [latest], keepPulledWithin: 30d, keepYoungerThan: 12h}
`);
    const defaults = { immutable: [], deletes: true, sparse: false, siblings: [] };
    expect(hostedRules).toEqual([
      { ...defaults, repositories: ['local/**', '**'], immutable: ['v*'] },
      { ...defaults, repositories: ['t*/app'], deletes: false, sparse: true },
      {
        ...defaults,
        repositories: ['*/app'],
        retention: {
          keepLast: 3,
          keepTags: ['latest'],
          keepPulledWithinMs: 30 * 86_400_000,
          keepYoungerThanMs: 12 * 3_600_000,
        },
      },
    ]);
  });

  test('may be kept by one thing alone', async () => {
    const { hostedRules } = await loadText(
      'hosted: [local]\nhostedRules: [{repositories: ["local/**"], retention: {keepLast: 1}}]',
    );
    expect(hostedRules[0]?.retention).toEqual({ keepLast: 1 });
  });

  test('and the log of events have their times', async () => {
    const text = 'retention: {schedule: "0 0 * * 0"}\nuploads: {expire: 1h}\nevents: {keep: forever}';
    expect(await loadText(text)).toMatchObject({
      retentionSchedule: '0 0 * * 0',
      uploads: { expireMs: 3_600_000 },
      events: { keepMs: Infinity },
    });
  });
});

describe('a webhook', () => {
  test('needs a name and a URL only', async () => {
    const { webhooks } = await loadText('webhooks: [{name: a, url: "http://10.0.0.1:8080/hook?x=1"}]');
    expect(webhooks).toEqual([
      {
        name: 'a',
        url: new URL('http://10.0.0.1:8080/hook?x=1'),
        format: 'cloudevents',
        events: ['push', 'tag', 'untag', 'delete'],
        repositories: ['**'],
        timeoutMs: 10_000,
      },
    ]);
  });

  test('has its secrets from the file or from files, and shows none', async () => {
    const { webhooks } = await loadText(
      `
hosted: [local]
webhooks:
  - {name: a, url: "https://a", token: "\${TOKEN}", secret: "hunter2 with blanks"}
  - {name: b, url: "https://b", tokenFile: token, secretFile: hmac, format: distribution, events: [fill, blob],
     repositories: ["local/**", "index.docker.io/*"], timeout: 2s}
`,
      { env: { TOKEN: 'hunter2' }, files: { token: 'hunter2-file\n', hmac: 'hunter2 hmac' } },
    );
    expect(webhooks.map(({ token, secret }) => [token?.reveal(), secret?.reveal()])).toEqual([
      ['hunter2', 'hunter2 with blanks'],
      ['hunter2-file', 'hunter2 hmac'],
    ]);
    expect(webhooks[1]).toMatchObject({
      format: 'distribution',
      events: ['fill', 'blob'],
      repositories: ['local/**', 'docker.io/library/*'],
      timeoutMs: 2000,
    });
    expect(inspect(webhooks, { depth: 9 })).not.toContain('hunter2');
  });
});
