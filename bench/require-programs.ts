import { execFileSync } from 'node:child_process';

/** Ends this program, with a word to the user, if one of those is not installed. */
export function requirePrograms(programs: readonly string[]): void {
  for (const program of programs) {
    try {
      execFileSync('which', [program]);
    } catch {
      console.error(`${program} is missing: apt-get install ${programs.join(' ')}`);
      process.exit(1);
    }
  }
}
