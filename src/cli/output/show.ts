import { CodedError } from '../../util/coded-error.ts';

/** Prints what came of a command: as one JSON document for programs, as text for people. @throws CodedError NOT_WRITTEN */
export async function show<Value>(
  value: Value,
  options: { readonly json: boolean },
  toText: (value: Value) => string | Promise<string>,
): Promise<void> {
  await print(options.json ? JSON.stringify(value, undefined, 2) : await toText(value));
}

/** Says something to whoever watches; what is printed for programs stays clean of it. */
export function say(message: string): void {
  console.error(message);
}

/** A reader that left (`entrepot ls | head`) is no failure, a full disk is. */
async function print(text: string): Promise<void> {
  const { stdout } = process;
  // The callback tells all; without a listener the event would end the program.
  stdout.once('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    stdout.write(`${text}\n`, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE') resolve();
      else reject(new CodedError('NOT_WRITTEN', `the output cannot be written: ${error.message}`, { cause: error }));
    });
  });
}
