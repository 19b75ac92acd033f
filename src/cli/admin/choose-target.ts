import type { AdminConfig } from '../../config/config.ts';
import { CodedError } from '../../util/coded-error.ts';
import { Secret } from '../../util/secret.ts';
import { WrongUse } from '../wrong-use.ts';
import type { AdminTarget } from './admin-transport.ts';

/** What a command line says of the mirror it means. */
export interface TargetOptions {
  readonly admin?: string;
  readonly tokenFile?: string;
  readonly clientCert?: string;
  readonly config?: string;
}

const TOKEN_LIMIT_BYTES = 64 * 1024;
/** More than any chain of certificates and its key. */
const PEM_LIMIT_BYTES = 1024 * 1024;
// RFC 6750 section 2.1, b64token.
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Which mirror a command means: that of `--admin` or ENTREPOT_ADMIN, else that of the configuration. Its token is in
 * `--token-file` or ENTREPOT_ADMIN_TOKEN; the configuration's own token goes to the configuration's own address only.
 * @throws WrongUse
 */
export async function chooseTarget(options: TargetOptions, env: NodeJS.ProcessEnv = process.env): Promise<AdminTarget> {
  const token = await tokenOf(options, env);
  // What is said on the command line counts before what the environment says.
  const named = options.admin ?? (options.config === undefined ? env['ENTREPOT_ADMIN'] || undefined : undefined);
  const certFile = options.clientCert ?? (env['ENTREPOT_ADMIN_CLIENT_CERT'] || undefined);
  const client = certFile === undefined ? {} : { client: await readPem(certFile, '--client-cert') };
  if (named !== undefined) return { url: parseAdminUrl(named), ...(token && { token }), tls: client };
  const admin = await adminConfig(options.config);
  const known = token ?? admin.token;
  // Its own certificate need not name this machine's loopback address, nor be signed by anyone whom this machine knows.
  const server = admin.tls && (await readPem(admin.tls.certFile, 'admin.tls.cert'));
  const tls = { ...client, ...(server !== undefined && { server }) };
  return { url: urlOf(admin), ...(known && { token: known }), tls };
}

/** Reads `http://host:5001` or `host:5001`. @throws WrongUse */
function parseAdminUrl(text: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search || url.hash) {
    throw new WrongUse(`"${text}" is not an address of an admin listener; write for example http://127.0.0.1:5001`);
  }
  return url;
}

/** Where to reach what listens there from the same machine. */
function urlOf({ listen: { host, port }, tls }: AdminConfig): URL {
  if (port === 0)
    throw new WrongUse('admin.listen leaves the port to the system: say where the mirror is (--admin URL)');
  const name = host === undefined || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new URL(`${tls ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`);
}

async function tokenOf({ tokenFile }: TargetOptions, env: NodeJS.ProcessEnv): Promise<Secret | undefined> {
  const { ENTREPOT_ADMIN_TOKEN: given } = env;
  if (tokenFile === undefined) return given ? checkToken(given, 'ENTREPOT_ADMIN_TOKEN') : undefined;
  const content = await readFileOf(tokenFile, '--token-file', TOKEN_LIMIT_BYTES);
  return checkToken(content.replace(/\r?\n$/, ''), tokenFile);
}

async function readPem(file: string, option: string): Promise<string> {
  const pem = await readFileOf(file, option, PEM_LIMIT_BYTES);
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new WrongUse(`${option} ${file} holds no certificate in PEM`);
  return pem;
}

async function readFileOf(file: string, option: string, limitBytes: number): Promise<string> {
  const { readTextFile } = await import('../../config/read-text-file.ts');
  const content = await readTextFile(file, limitBytes);
  if ('problem' in content) throw new WrongUse(`${option} ${file}: ${content.problem}`);
  return content.text;
}

function checkToken(token: string, place: string): Secret {
  if (!BEARER_TOKEN.test(token)) throw new WrongUse(`${place} does not hold a bearer token`);
  return new Secret(token);
}

/** Loaded late: a command that is told where the mirror is needs no configuration. */
async function adminConfig(file: string | undefined): Promise<AdminConfig> {
  const { chooseConfig } = await import('../config-file.ts');
  const { loadConfig } = await import('../../config/load.ts');
  try {
    return (await loadConfig(await chooseConfig(file))).admin;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new WrongUse(`${error.message}\n(--admin URL does without the configuration)`);
  }
}
