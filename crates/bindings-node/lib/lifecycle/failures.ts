/**
 * From what the run says has failed to errors.
 *
 * Who asked for a value is given what its factory threw, as it is. A step of the start or of the stop has no caller who would know what it
 * was: its error is a `StepError` that names it, with what was thrown as the `cause`.
 */

import { ClosedError, DeadlockError, LifecycleError, StepError, StepTimeout } from '../errors'
import type { Failure } from './native'

/** Errors that are kept. A worker that fails for years must not fill the memory. */
const MOST = 1024

const CAUSES: Record<string, new (message: string) => Error> = { 'timed out': StepTimeout, deadlock: DeadlockError, closed: ClosedError }

/** What was thrown, by number, as the run names it. */
export class Errors {
  readonly #kept = new Map<number, unknown>()
  #next = 0

  /** Keeps what was thrown, and returns its number. */
  keep(error: unknown): number {
    this.#next += 1
    this.#kept.set(this.#next, error)
    this.#kept.delete(this.#next - MOST)
    return this.#next
  }

  has(number: number | undefined): number is number {
    return number !== undefined && this.#kept.has(number)
  }

  get(number: number): unknown {
    return this.#kept.get(number)
  }

  /** What to throw to who asked for a value. */
  of({ cause, error, message }: Failure): unknown {
    return this.has(error) ? this.get(error) : new (CAUSES[cause] ?? StepError)(message)
  }

  /** What to throw to who has started or stopped the application. */
  ofStep(failure: Failure): Error {
    if (!this.has(failure.error)) return this.of(failure) as Error
    const cause = this.get(failure.error)
    return new StepError(`${failure.message}: ${textOf(cause)}`, { cause })
  }
}

/** Joins errors: none, the one, or an aggregate. */
export function asOne(errors: readonly unknown[], message: string): unknown {
  return errors.length > 1 ? new LifecycleError(errors, message) : errors[0]
}

/** What something that was thrown says. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
}
