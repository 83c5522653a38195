/** A value that is asked for when it is needed. */

/**
 * Asks for a value when it is needed, instead of having it made first. Ask for one with `lazy(T)` to break a cycle, or to hold
 * something that may be swapped: each call gives the value that is current.
 *
 * ```js
 * app.provide(Mailer, [lazy(Users)], users => new Mailer({ remind: async () => (await users.get()).all() }))
 * ```
 */
export class Lazy<T> {
  readonly #ask: () => Promise<T>
  readonly #look: () => T

  /** @internal */
  constructor(ask: () => Promise<T>, look: () => T) {
    this.#ask = ask
    this.#look = look
  }

  /** Returns the value, and has it made if it is not there. */
  get(): Promise<T> {
    return this.#ask()
  }

  /**
   * Returns the value without waiting.
   *
   * @throws ConflictError if making it takes waiting.
   */
  now(): T {
    return this.#look()
  }
}
