/** Prints what came of a command: as one JSON document for programs, as text for people. */
export async function show<Value>(
  value: Value,
  options: { readonly json: boolean },
  toText: (value: Value) => string | Promise<string>,
): Promise<void> {
  console.log(options.json ? JSON.stringify(value, undefined, 2) : await toText(value));
}

/** Says something to whoever watches; what is printed for programs stays clean of it. */
export function say(message: string): void {
  console.error(message);
}
