import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from '../content-error.ts';

/** Why a folder, or the nearest one above it that is there, cannot be written: making folders tells it in a roundabout way. */
export async function refusalOf(path: string): Promise<unknown> {
  try {
    await access(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return isMissing(error) && dirname(path) !== path ? refusalOf(dirname(path)) : error;
  }
}
