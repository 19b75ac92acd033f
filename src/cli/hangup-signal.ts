/** SIGHUP while it lives, which is what log rotation sends: it does not end the process. */
export class HangupSignal implements Disposable {
  /** What is done when it comes. */
  onSignal: () => void = () => undefined;
  readonly #listener = () => this.onSignal();

  constructor() {
    process.on('SIGHUP', this.#listener);
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#listener);
  }
}
