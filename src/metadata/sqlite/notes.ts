import type { Connection } from './connection.ts';

/** Notes and operators' pins. */
export class Notes {
  readonly #connection: Connection;
  readonly #statements;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#statements = {
      read: connection.pluck<[key: string], string>('SELECT value FROM note WHERE key = ?'),
      write: connection.prepare<[key: string, value: string]>(
        'INSERT INTO note (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
      ),
      remove: connection.prepare<[key: string]>('DELETE FROM note WHERE key = ?'),
      pins: connection.prepare<[], { pattern: string; atMs: number }>(
        'SELECT pattern, pinned_at AS atMs FROM pin ORDER BY pattern',
      ),
      putPin: connection.prepare<[pattern: string, at: number]>(
        'INSERT INTO pin (pattern, pinned_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
      ),
      removePin: connection.prepare<[pattern: string]>('DELETE FROM pin WHERE pattern = ?'),
    };
  }

  read(key: string): string | undefined {
    return this.#connection.run(() => this.#statements.read.get(key));
  }

  write(key: string, value: string | undefined): void {
    this.#connection.write(() =>
      value === undefined ? this.#statements.remove.run(key) : this.#statements.write.run(key, value),
    );
  }

  pins(): { pattern: string; atMs: number }[] {
    return this.#connection.run(() => this.#statements.pins.all());
  }

  /** One that there is keeps its time. */
  putPin(pattern: string, at: number): void {
    this.#connection.write(() => this.#statements.putPin.run(pattern, at));
  }

  /** @returns false if there is no such pin */
  removePin(pattern: string): boolean {
    return this.#connection.write(() => this.#statements.removePin.run(pattern).changes > 0);
  }
}
