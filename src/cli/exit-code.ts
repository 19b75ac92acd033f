/** What the program tells its caller: 1 for what went wrong while running, 2 for what its user can put right. */
export const EXIT_CODE = { ok: 0, failed: 1, wrongUse: 2 } as const;
