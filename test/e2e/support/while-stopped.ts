import { readdirSync, readFileSync } from 'node:fs';

/** How long a thread may take to stop: one that waits for the disk does so only when that has answered. */
const PATIENCE_MS = 20;

/** Does something while a process stands still, and so sees one moment of what the process does. */
export function whileStopped<Value>(pid: number, look: () => Value): Value {
  try {
    process.kill(pid, 'SIGSTOP');
    const deadline = performance.now() + PATIENCE_MS;
    while (!hasStopped(pid) && performance.now() < deadline);
    return look();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** Whether none of its threads runs (proc(5), `/proc/pid/stat`). */
function hasStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) === 'T';
  });
}
