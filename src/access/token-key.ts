import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { AccessError } from './access-error.ts';

/** RFC 7518 section 3.4: ES256 is ECDSA with P-256. */
const CURVE = 'prime256v1';

/** The key that tokens are signed with, from a PEM file that is made if there is none. @throws AccessError */
export async function openTokenKey(file: string, telemetry: Telemetry): Promise<KeyObject> {
  try {
    const pem = await readOrMake(file);
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) telemetry.log.warn({ file }, 'others may read the key that tokens are signed with');
    return parseKey(pem);
  } catch (cause) {
    const message = `the token key ${file} cannot be used: ${(cause as Error).message}`;
    throw new AccessError('KEY_UNUSABLE', message, { cause });
  }
}

async function readOrMake(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const pem = generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeWhole(file, pem.toString());
  return pem.toString();
}

function parseKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== CURVE) throw new Error('it must be a private key on the curve P-256');
  return key;
}

async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    await using handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(text);
    await handle.sync();
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
}
