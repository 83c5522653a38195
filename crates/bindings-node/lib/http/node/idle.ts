/** Time without anything read or written. */

export class IdleTimer {
  readonly #timer: NodeJS.Timeout

  constructor(
    readonly milliseconds: number,
    expired: () => void,
  ) {
    this.#timer = setTimeout(expired, milliseconds).unref()
  }

  /** Something was read or written: begins anew. */
  touch(): void {
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
