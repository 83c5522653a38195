/** Scopes that are still open when the values of the application are taken back: they are closed before anything that they use. */

import type { Logger } from '../logger'
import type { Scope } from './scope'
import { LONGEST } from './wait'

/** Closes scopes, and goes on when all have ended or their time is over. */
export class Closing {
  readonly #open: Set<Scope>
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  /** @param seconds How long they may take. */
  constructor(
    scopes: Iterable<Scope>,
    seconds: number,
    private readonly logger: Logger,
    private readonly then: () => void,
  ) {
    this.#open = new Set(scopes)
    for (const scope of this.#open) void this.#close(scope)
    this.endWithin(seconds)
  }

  /** Goes on after this many seconds from now on, whatever has become of the scopes. */
  endWithin(seconds: number): void {
    if (this.#isOver) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.end(), Math.min(seconds * 1000, LONGEST))
  }

  /** Goes on. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    for (const scope of this.#open) this.logger.error(`hostloop: a scope did not close in time and was abandoned${scope.waitsFor}`)
    this.then()
  }

  async #close(scope: Scope): Promise<void> {
    try {
      await scope.cutOff('the application stops')
    } catch (error) {
      this.logger.error('hostloop: a scope that was still open did not close well', error)
    }
    this.#open.delete(scope)
    if (this.#open.size === 0) this.end()
  }
}
