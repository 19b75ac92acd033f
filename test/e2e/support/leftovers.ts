import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './run.ts';

/** Unmounts whatever is mounted in a folder or on it, the innermost first. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const points = mounts
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point === directory || point.startsWith(`${directory}/`));
  for (const point of points.toReversed()) await run('umount', ['--lazy', point]);
}

/** Kills the process whose id a file holds, if it still runs with `marker` in its command line. */
export async function killLeftover(pidFile: string, marker: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (pid === 0) return;
  for (let signals = 0; signals < 50 && (await commandLine(pid)).includes(marker); signals++) {
    process.kill(pid, 'SIGKILL');
    await sleep(20);
  }
}

async function commandLine(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}
