import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** `getconf CLK_TCK` of every Linux on common hardware. */
const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;

/** Requests a second that wrk gets answered. */
export async function requestsPerSecond(url: string, seconds: number): Promise<number> {
  const accept = 'Accept: application/vnd.oci.image.manifest.v1+json';
  const { stdout } = await run('wrk', ['-t1', '-c16', `-d${seconds}s`, '-H', accept, url]);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrk met errors at ${url}:\n${stdout}`);
  const found = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`wrk said something else:\n${stdout}`);
  return Number(found);
}

export interface Transfer {
  readonly mibPerSecond: number;
  readonly firstByteMs: number;
  /** Of the serving process, for each GB sent. */
  readonly cpuSecondsPerGb: number;
}

/** Downloads a blob with curl, one after the other. */
export async function transfer(url: string, pid: number, bytes: number, times: number): Promise<Transfer> {
  const cpuBefore = await cpuSeconds(pid);
  let seconds = 0;
  let firstByteMs = Infinity;
  for (let time = 0; time < times; time += 1) {
    const format = '%{http_code} %{size_download} %{time_total} %{time_starttransfer}';
    const { stdout } = await run('curl', ['-s', '-o', '/dev/null', '-w', format, url]);
    const [status, size, total, first] = stdout.split(' ').map(Number);
    if (status !== 200 || size !== bytes) throw new Error(`${url}: ${stdout} instead of ${bytes} bytes`);
    seconds += total ?? 0;
    firstByteMs = Math.min(firstByteMs, (first ?? 0) * 1000);
  }
  const sent = bytes * times;
  return {
    mibPerSecond: sent / MIB / seconds,
    firstByteMs,
    cpuSecondsPerGb: ((await cpuSeconds(pid)) - cpuBefore) / (sent / 1e9),
  };
}

/** The most memory, in MiB, that a process had while so many clients read slowly for so long. */
export async function memoryWithSlowReaders(
  url: string,
  pid: number,
  readers: number,
  seconds: number,
): Promise<number> {
  const clients = Array.from({ length: readers }, () => readSlowly(url));
  let peak = 0;
  for (let elapsed = 0; elapsed < seconds; elapsed += 0.25) {
    peak = Math.max(peak, await residentMib(pid));
    await sleep(250);
  }
  for (const client of clients) client.destroy();
  return peak;
}

/** 64 KiB ten times a second: what a client far away takes. */
function readSlowly(url: string) {
  const request = get(url, { agent: false }, (response) => {
    response.on('data', () => {
      response.pause();
      setTimeout(() => response.resume(), 100).unref();
    });
    response.on('error', () => undefined);
  });
  return request.on('error', () => undefined);
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Processor time that a process has used, all its threads together. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the command in parentheses: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
