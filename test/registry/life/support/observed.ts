/** Around a call of a method: what `call` returns is returned, whatever is done before and after it. */
export type Around = (method: string, args: readonly unknown[], call: () => unknown) => unknown;

/** The same object, with each call of one of its methods going through `around`. */
export function observed<Target extends object>(target: Target, around: Around): Target {
  return new Proxy(target, {
    get(real, key) {
      const value: unknown = Reflect.get(real, key, real);
      if (typeof value !== 'function') return value;
      const call = (args: readonly unknown[]): unknown => Reflect.apply(value, real, args);
      return (...args: readonly unknown[]) => around(String(key), args, () => call(args));
    },
  });
}

/** Calls, and does something when the call is over: in the same turn for what is not asynchronous. */
export function afterwards(result: unknown, act: () => void): unknown {
  if (!(result instanceof Promise)) {
    act();
    return result;
  }
  return result.finally(act);
}
