import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { startAdmin } from '../support/admin.ts';
import { makeIdentity } from '../support/identity.ts';
import { Listener } from '../support/listener.ts';
import { entrepot, folderOf } from './command.ts';

const TOKEN = 'a-token-of-32-characters.~+/abc=';
const NOBODY = 'http://127.0.0.1:1';

function portOf(url: string): string {
  return new URL(url).port;
}

describe('a command finds the mirror', () => {
  test('by --admin, with a scheme or without, and with a path', async () => {
    await using admin = await startAdmin();
    for (const address of [admin.url, `${admin.url}/`, new URL(admin.url).host]) {
      expect(await entrepot(['pins', '--admin', address], '/', { ENTREPOT_ADMIN: NOBODY })).toMatchObject({
        exitCode: 0,
      });
    }
    await using proxy = await Listener.start((request, response) =>
      response.writeHead(200).end(JSON.stringify({ pins: [request.url] })),
    );
    const { stdout } = await entrepot(['pins', '--json', '--admin', `${proxy.url}/mirror/`], '/');
    expect(JSON.parse(stdout)).toEqual(['/mirror/api/v1/pins']);
  });

  test('by ENTREPOT_ADMIN, without looking at a configuration', async () => {
    await using admin = await startAdmin();
    await using folder = await folderOf({ 'config.yaml': 'nonsense: 1\n' });
    expect(await entrepot(['pins'], folder.path, { ENTREPOT_ADMIN: admin.url })).toMatchObject({ exitCode: 0 });
  });

  test.each(['127.0.0.1', 'localhost'])('by the configuration that serve would take: %s', async (host) => {
    await using admin = await startAdmin();
    await using folder = await folderOf({ 'config.yaml': `admin: {listen: "${host}:${portOf(admin.url)}"}\n` });
    expect(await entrepot(['pins'], folder.path)).toMatchObject({ exitCode: 0 });
    expect(await entrepot(['pins'], '/', { ENTREPOT_CONFIG: `${folder.path}/config.yaml` })).toMatchObject({
      exitCode: 0,
    });
  });

  test.each(['', '0.0.0.0'])(
    'and its token in the configuration, on loopback where it listens everywhere: "%s"',
    async (host) => {
      await using admin = await startAdmin({ token: TOKEN });
      const text = `admin: {listen: "${host}:${portOf(admin.url)}", token: ${TOKEN}}\n`;
      await using folder = await folderOf({ 'my.yaml': text, 'config.yaml': 'nonsense: 1\n' });
      const args = ['pins', '--config', 'my.yaml'];
      expect(await entrepot(args, folder.path, { ENTREPOT_ADMIN: NOBODY })).toMatchObject({ exitCode: 0 });
    },
  );

  test('by the configuration over TLS, whoever signed its certificate and whatever names that has', async () => {
    const tls = await makeIdentity();
    await using admin = await startAdmin({ tls });
    // Of the certificate's names none is this one, as the names of most are none of loopback.
    const text = `admin: {listen: "localhost:${portOf(admin.url)}", tls: {cert: tls.crt, key: tls.key}}\n`;
    await using folder = await folderOf({ 'config.yaml': text, 'tls.crt': tls.cert, 'tls.key': tls.key });
    expect(await entrepot(['pins'], folder.path)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await entrepot(['warm', 'a'], folder.path)).toMatchObject({ exitCode: 0 });
  });

  test('over TLS not where the certificate is another one than that of the configuration', async () => {
    const [tls, other] = [await makeIdentity(), await makeIdentity()];
    await using admin = await startAdmin({ tls, token: TOKEN });
    const text = `admin: {listen: "127.0.0.1:${portOf(admin.url)}", tls: {cert: tls.crt, key: tls.key}, token: ${TOKEN}}\n`;
    await using folder = await folderOf({ 'config.yaml': text, 'tls.crt': other.cert, 'tls.key': other.key });
    const { exitCode, stderr } = await entrepot(['pins'], folder.path);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('has a certificate that is not trusted: self-signed certificate');
    expect(admin.log).toEqual([]);
  });

  test('by --admin over TLS, if its certificate is trusted and names that address', async () => {
    const tls = await makeIdentity();
    await using admin = await startAdmin({ tls });
    await using folder = await folderOf({ 'tls.crt': tls.cert });
    const trusting = { NODE_EXTRA_CA_CERTS: `${folder.path}/tls.crt` };
    expect(await entrepot(['pins', '--admin', admin.url], folder.path, trusting)).toMatchObject({ exitCode: 0 });
    expect(await entrepot(['pins', '--admin', admin.url], folder.path)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `entrepot: ${admin.url} has a certificate that is not trusted: self-signed certificate (NODE_EXTRA_CA_CERTS=FILE names an authority to trust)\n`,
    });
    const elsewhere = admin.url.replace('127.0.0.1', 'localhost');
    const misnamed = await entrepot(['pins', '--admin', elsewhere], folder.path, trusting);
    expect(misnamed.stderr).toContain('has a certificate that is not trusted: Hostname/IP does not match');
  });

  test('with a certificate of its own, where one is demanded', async () => {
    const [tls, client] = [await makeIdentity(), await makeIdentity()];
    await using admin = await startAdmin({ tls: { ...tls, ca: client.cert } });
    const text = `admin: {listen: "127.0.0.1:${portOf(admin.url)}", tls: {cert: tls.crt, key: tls.key}}\n`;
    const files = { 'config.yaml': text, 'tls.crt': tls.cert, 'tls.key': tls.key, 'me.pem': client.cert + client.key };
    await using folder = await folderOf(files);
    expect(await entrepot(['pins', '--client-cert', 'me.pem'], folder.path)).toMatchObject({ exitCode: 0, stderr: '' });
    const env = { ENTREPOT_ADMIN_CLIENT_CERT: 'me.pem' };
    expect(await entrepot(['pins'], folder.path, env)).toMatchObject({ exitCode: 0, stderr: '' });
    const without = await entrepot(['pins'], folder.path);
    expect(without).toMatchObject({ exitCode: 1, stdout: '' });
    expect(without.stderr).toContain('demands a certificate of its clients: give it with --client-cert FILE');
    for (const [file, message] of [
      ['tls.key', '--client-cert tls.key holds no certificate in PEM'],
      ['none', '--client-cert none: there is no such file'],
    ]) {
      const wrong = await entrepot(['pins', '--client-cert', file ?? ''], folder.path);
      expect(wrong).toEqual({ exitCode: 2, stdout: '', stderr: `entrepot: ${message}\n` });
    }
  });

  test('not over TLS where it speaks plain HTTP', async () => {
    await using admin = await startAdmin();
    const { exitCode, stderr } = await entrepot(['pins', '--admin', admin.url.replace('http:', 'https:')], '/');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('does not speak HTTPS: write http:// (--admin URL)\n');
  });

  test('on ports too that browsers refuse', async () => {
    const { stderr } = await entrepot(['pins', '--admin', 'http://127.0.0.1:1'], '/');
    expect(stderr).toContain('no entrepot answers at http://127.0.0.1:1: is it running?');
  });

  test('not where the port is left to the system, or the configuration is wrong', async () => {
    await using folder = await folderOf({ 'free.yaml': 'admin: {listen: "127.0.0.1:0"}', 'bad.yaml': 'a: 1' });
    expect(await entrepot(['pins', '--config', 'free.yaml'], folder.path)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'entrepot: admin.listen leaves the port to the system: say where the mirror is (--admin URL)\n',
    });
    const { exitCode, stderr } = await entrepot(['pins', '--config', 'bad.yaml'], folder.path);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^entrepot: bad\.yaml:1:1: a: .*\n\(--admin URL does without the configuration\)\n$/);
  });

  test.each(['ftp://a', 'http://', 'http://user:password@a', 'http://a?b', 'http://a:99999'])(
    'not at %s, which is no address of one',
    async (address) => {
      const { exitCode, stderr } = await entrepot(['pins', '--admin', address], '/');
      expect(exitCode).toBe(2);
      expect(stderr).toContain('is not an address of an admin listener; write for example http://127.0.0.1:5001');
    },
  );
});

describe('a command shows its token', () => {
  test('from --token-file, else from ENTREPOT_ADMIN_TOKEN', async () => {
    await using admin = await startAdmin({ token: TOKEN });
    await using folder = await folderOf({ token: `${TOKEN}\n`, other: 'another-token' });
    const env = { ENTREPOT_ADMIN: admin.url };
    const withFile = ['pins', '--token-file', 'token'];
    expect(await entrepot(withFile, folder.path, { ...env, ENTREPOT_ADMIN_TOKEN: 'x' })).toMatchObject({ exitCode: 0 });
    expect(await entrepot(['pins'], '/', { ...env, ENTREPOT_ADMIN_TOKEN: TOKEN })).toMatchObject({ exitCode: 0 });
    expect(await entrepot(['pins', '--token-file', 'other'], folder.path, env)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `entrepot: ${admin.url} refuses the token: it must be that of admin.tokenFile (--token-file FILE)\n`,
    });
  });

  test('and is told how, where it has none', async () => {
    await using admin = await startAdmin({ token: TOKEN });
    const stderr = `entrepot: ${admin.url} demands a token: give it with --token-file FILE or in ENTREPOT_ADMIN_TOKEN\n`;
    expect(await entrepot(['status'], '/', { ENTREPOT_ADMIN: admin.url })).toEqual({ exitCode: 1, stdout: '', stderr });
    // A long answer is refused in the same words.
    expect(await entrepot(['warm', 'a'], '/', { ENTREPOT_ADMIN: admin.url })).toEqual({
      exitCode: 1,
      stdout: '',
      stderr,
    });
  });

  test('of the configuration to the address of the configuration only', async () => {
    const shown: (string | undefined)[] = [];
    await using stranger = await Listener.start(({ headers }, response) => {
      shown.push(headers.authorization);
      response.writeHead(200).end('{"pins": []}');
    });
    await using folder = await folderOf({ 'config.yaml': `admin: {token: ${TOKEN}}\n` });
    expect(await entrepot(['pins', '--admin', stranger.url], folder.path)).toMatchObject({ exitCode: 0 });
    expect(shown).toEqual([undefined]);
  });

  test('nowhere else when it is sent on', async () => {
    const shown: (string | undefined)[] = [];
    await using elsewhere = await Listener.start(({ headers }, response) => {
      shown.push(headers.authorization);
      response.end('{}');
    });
    await using redirecting = await Listener.start((_, response) => {
      response.writeHead(307, { Location: `${elsewhere.url}/api/v1/pins` }).end();
    });
    const env = { ENTREPOT_ADMIN: redirecting.url, ENTREPOT_ADMIN_TOKEN: TOKEN };
    const { exitCode, stderr } = await entrepot(['pins'], '/', env);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("is no entrepot's admin listener (HTTP 307)");
    expect(shown).toEqual([]);
  });

  test.each([
    ['missing', /^entrepot: --token-file missing: there is no such file\n$/],
    ['odd', /^entrepot: odd does not hold a bearer token\n$/],
    ['empty', /^entrepot: empty does not hold a bearer token\n$/],
  ])('not from a file that is %s, which is not shown', async (file, message) => {
    await using folder = await folderOf({ odd: 'a token of words', empty: '' });
    const { exitCode, stderr } = await entrepot(['pins', '--token-file', file], folder.path);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('a command says', () => {
  test.each([['status'], ['gc'], ['warm', 'a'], ['backup', 'copy.sqlite']])(
    '%s %s that nobody answers',
    async (...args) => {
      await using folder = await folderOf({});
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await new Promise((resolve) => server.close(resolve));
      expect(await entrepot([...args, '--admin', url], folder.path)).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: `entrepot: no entrepot answers at ${url}: is it running? (--admin URL)\n`,
      });
    },
  );

  test.each<[string, number, string]>([
    ['a page', 200, '<html>'],
    ['a page of an error', 502, '<html>'],
    ["a mirror's other door", 404, '{"errors":[{"code":"UNSUPPORTED","message":"there is nothing at this path"}]}'],
    ['some JSON', 404, '{"detail":"Not Found"}'],
    ['other JSON', 404, '{"errors":"Not Found"}'],
  ])('that %s is no admin listener', async (_, status, body) => {
    await using stranger = await Listener.start((__, response) => response.writeHead(status).end(body));
    for (const args of [['pins'], ['gc']]) {
      const { exitCode, stderr } = await entrepot(args, '/', { ENTREPOT_ADMIN: stranger.url });
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`what answers at ${stranger.url} is no entrepot's admin listener (`);
    }
  });

  test('that the connection broke', async () => {
    await using broken = await Listener.start((request, response) => {
      if (request.url === '/api/v1/gc') response.writeHead(200).end('{"progress": {}}\n{}\n');
      else if (request.url === '/api/v1/warm') response.writeHead(200).write('{}\n', () => response.destroy());
      else response.destroy();
    });
    const env = { ENTREPOT_ADMIN: broken.url };
    for (const args of [['pins'], ['gc'], ['warm', 'a']]) {
      const { exitCode, stdout, stderr } = await entrepot(args, '/', env);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toMatch(
        /^entrepot: the connection to http:\/\/127\.0\.0\.1:\d+ (broke: |ended before the work did)/,
      );
    }
  });
});
