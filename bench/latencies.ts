import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requestsPerSecond: number;
}

/** What four clients see of a URL that ask as fast as they are answered. */
export async function latencies(url: string, seconds: number): Promise<Latencies> {
  const { stdout } = await run('wrk', ['-t1', '-c4', `-d${seconds}s`, '--latency', url]);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrk met errors:\n${stdout}`);
  const percentile = (which: string): number => {
    const [, value, unit] = new RegExp(`${which}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? [];
    return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's'];
  };
  const perSecond = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  return { p50Ms: percentile('50'), p99Ms: percentile('99'), requestsPerSecond: Math.round(Number(perSecond)) };
}
