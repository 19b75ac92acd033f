/** An error for a log line: its code and message, not its stack, which belongs to bugs only. */
export function describeError(error: unknown): { code: string | undefined; error: string } {
  if (!(error instanceof Error)) return { code: undefined, error: String(error) };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : undefined, error: error.message };
}
