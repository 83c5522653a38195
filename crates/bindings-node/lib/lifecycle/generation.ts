/**
 * The values of the application's scope that are current, as compiled functions hold them.
 *
 * Functions are compiled for one generation: its values are bound in them. A reload makes a new one, with functions of its own; who runs a
 * function of an old one goes on with the old values. Requests and scopes say when they enter a generation and when they leave it, so that
 * what was replaced is taken back as soon as nobody uses it.
 */

import type { Container } from './container'
import { Table } from './table'

export class Generation {
  /** What gives values in a scope of each name that is right inside the application's. */
  readonly tables: ReadonlyMap<string, Table>
  /** Of a generation that was replaced, the values that it had. */
  #kept: ReadonlyMap<number, unknown> | undefined
  #users = 0
  #left: (() => void) | undefined

  constructor(readonly container: Container) {
    const shorter = container.wiring.scopes.slice(1)
    this.tables = new Map(shorter.map((name, at) => [name, new Table(this, null, at + 1)]))
  }

  /** Keeps what is about to be replaced, for those who go on with it. */
  keep(values: ReadonlyMap<number, unknown>): void {
    this.#kept = values
  }

  /** Returns the value of a node of the application's scope in this generation, or `UNSET`. */
  peek(node: number): unknown {
    return this.#kept?.has(node) ? this.#kept.get(node) : this.container.peek(node)
  }

  /** Gives the value of a node of the application's scope, and has it made if it is not there. */
  async ask(node: number): Promise<unknown> {
    return this.#kept?.has(node) ? this.#kept.get(node) : this.container.ask(node)
  }

  /** Notes that somebody begins to use it. */
  enter(): void {
    this.#users += 1
  }

  /** Notes that somebody uses it no more. */
  readonly leave = (): void => {
    this.#users -= 1
    if (this.#users === 0) this.#left?.()
  }

  /** Calls a function when the last user has left. */
  whenLeft(left: () => void): void {
    if (this.#users === 0) left()
    else this.#left = left
  }
}
