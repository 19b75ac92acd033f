import { afterAll } from 'vitest';
import { buildImage } from '../../support/images.ts';
import { ask } from './ask.ts';
import { setStage, type Stage, type StageOptions } from './stage.ts';

/** Gives each test a stage of its own, which another test had before: a new one costs 100 to 200 ms of CPU. */
export interface StagePool {
  /** Disposed of, the stage goes back. */
  take(): Promise<Stage>;
}

/** Stages for the tests of one file. */
export function stagePool(options: StageOptions = {}): StagePool {
  const free: Stage[] = [];
  let taken = 0;
  afterAll(async () => {
    for (const stage of free) await stage[Symbol.asyncDispose]();
  });
  return {
    take: async () => {
      const stage = free.pop() ?? (await setStage(options));
      stage.origin.resetCounts();
      const seed = ++taken * 100;
      const name = `library/app-${seed}`;
      const giveBack = async () => {
        if (await isWell(stage)) free.push(stage);
        else await stage[Symbol.asyncDispose]();
      };
      return { ...stage, name, path: `/v2/${name}`, seed, [Symbol.asyncDispose]: giveBack };
    },
  };
}

/** After a test that failed the mirror may hold back what the next one asks for. */
async function isWell({ origin, mirror }: Stage): Promise<boolean> {
  origin.clearFaults();
  buildImage(origin, 'library/well', 'v1');
  return (await ask(mirror, '/v2/library/well/tags/list')).status === 200;
}
