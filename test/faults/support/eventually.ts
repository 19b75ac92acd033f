import { vi } from 'vitest';

/** Waits until the check passes; it fails as the check does when that takes too long. Also for tests that run side by side. */
export function eventually(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, { interval: 20, timeout: 15_000 });
}
