/** Time without anything read or written. */

/** The longest that a timer of Node's can run. */
const LONGEST = 2 ** 31 - 1

export class IdleTimer {
  readonly milliseconds: number
  readonly #timer: NodeJS.Timeout
  #isOver = false

  constructor(milliseconds: number, expired: () => void) {
    this.milliseconds = Math.min(milliseconds, LONGEST)
    this.#timer = setTimeout(expired, this.milliseconds).unref()
  }

  /** Something was read or written: begins anew. */
  touch(): void {
    if (!this.#isOver) this.#timer.refresh()
  }

  stop(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }
}
