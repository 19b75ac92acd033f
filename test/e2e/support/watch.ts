/** Looks at something again and again until it is disposed of. */
export interface Watch extends Disposable {
  /** How often it looked. */
  readonly looks: number;
}

/** Calls `look` all the time, with pauses of so many ms. What it throws is thrown when the watch is disposed of. */
export function watch(look: () => void, pauseMs = 20): Watch {
  let looks = 0;
  let failure: { error: unknown } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    try {
      look();
      looks += 1;
      timer = setTimeout(turn, pauseMs);
    } catch (error) {
      failure = { error };
    }
  };
  turn();
  return {
    get looks() {
      return looks;
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      if (failure) throw failure.error;
    },
  };
}
