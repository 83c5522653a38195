/** One scope: what is made in it is made once, and taken back when it ends. */

import { ClosedError, ConflictError, DeadlockError } from '../errors'
import type { Container } from './container'
import { asOne } from './failures'
import { type Exit, isPromise, NO_ERROR } from './held'
import { type Asked, type Given, type Key, labelOfKey, readWanted } from './keys'
import { Lazy } from './lazy'
import type { Get } from './make'
import { nameOf, type Recipe } from './recipe'
import type { Table } from './table'
import { UNSET } from './values'
import { within } from './wait'

/** Why a scope is cut off that is inside of another. */
const OUTER_ENDS = 'the one around it ends'

/** Values that come with a scope, by their keys. */
export type GivenValues = Iterable<readonly [Key, unknown]>

/**
 * A scope that is open. `app.scope(...)` makes one.
 *
 * What was made is taken back in the reverse order. An error that the scope ends by is thrown into generators, and thrown again whatever they
 * do; a teardown that fails then is logged. If it ends well, what teardowns throw is thrown. One that is still open when the application stops,
 * or the scope around it ends, is half done: it ends by a `ClosedError`.
 */
export class Scope {
  /** @internal What was made in it, by the places of `Wiring.places`. */
  values: unknown[]
  /** @internal */
  readonly container: Container
  /** @internal */
  isClosed = false
  /** What has ended it from outside, while whoever has entered it was not done. */
  private cut: ClosedError | undefined = undefined
  /** Its end, if that takes waiting. */
  private ending: Promise<void> | undefined = undefined
  /** What is to be taken back, in the order in which it was made. */
  private exits: Exit[] | undefined = undefined
  /** What is being made. */
  private pending: Map<Promise<unknown>, Recipe> | undefined = undefined
  /** What is just taken back, if that takes waiting. */
  private leaving: Recipe | undefined = undefined
  private children: Set<Scope> | undefined = undefined
  private isUser = false

  /** @internal */
  constructor(
    /** @internal */
    readonly table: Table,
    /** The scope that it is inside of; null if that is the application's. */
    readonly parent: Scope | null,
  ) {
    this.container = table.generation.container
    this.values = this.container.blank.slice()
  }

  /** The scope's name, such as `request`. */
  get name(): string {
    return this.table.name
  }

  /**
   * Returns the value of what is asked for, and has it made if it is not there.
   *
   * @throws NotProvidedError if nothing provides it, ClosedError once the scope is closed, and whatever its factory throws.
   */
  async resolve<N extends Asked>(need: N): Promise<Given<N>> {
    this.refuseClosed(need)
    return (await this.table.asked(need)(this)) as Given<N>
  }

  /**
   * Returns a value without waiting.
   *
   * @throws ConflictError if making it takes waiting.
   */
  get<N extends Asked>(need: N): Given<N> {
    this.refuseClosed(need)
    const found = this.table.wiring.lookUp(need)
    const roots = typeof found === 'number' ? [found] : [...found]
    return this.now(this.table.asked(need), roots) as Given<N>
  }

  /** Closes the scope: what was made is taken back, by an error or without. Closing it again does nothing. */
  close(...errors: [error?: unknown]): Promise<void> {
    return Promise.resolve(this.end(errors.length > 0 ? errors[0] : NO_ERROR))
  }

  /** Closes the scope. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // What is compiled asks for these.

  /** @internal Enters it: it is known to the application until it is closed. */
  open(given: GivenValues = []): this {
    if (this.container.isClosing || this.parent?.isClosed) {
      throw new ClosedError(`scope "${this.name}" cannot be entered: what it is inside of is closed or closing`)
    }
    for (const [key, value] of given) this.values[this.table.place(key)] = value
    if (this.parent === null) this.container.scopes.add(this)
    else (this.parent.children ??= new Set()).add(this)
    this.isUser = true
    this.table.generation.enter()
    return this
  }

  /** @internal Has something taken back at its end. */
  hold(exit: Exit): void {
    if (this.exits === undefined) {
      this.exits = []
      if (this.parent === null) this.container.scopes.add(this)
    }
    this.exits.push(exit)
  }

  /** @internal Notes that something is being made. */
  pend(promise: Promise<unknown>, recipe: Recipe): void {
    const pending = (this.pending ??= new Map())
    pending.set(promise, recipe)
    const done = () => void pending.delete(promise)
    promise.then(done, done)
  }

  /** @internal The value of a node, if it was made. */
  there(node: number): unknown[] {
    const place = this.container.wiring.places.get(node)
    let value = place === undefined ? this.table.generation.peek(node) : UNSET
    for (let scope: Scope | null = this; place !== undefined && value === UNSET && scope !== null; scope = scope.parent)
      value = scope.values[place]
    return value === UNSET || value instanceof Promise ? [] : [value]
  }

  /** @internal The handle of a value of this scope that is asked for later, by `owner` or by nobody. */
  lazy(node: number, owner: number | undefined): Lazy<unknown> {
    const ask = async (): Promise<unknown> => {
      this.refuseClosed(node)
      this.refuseCircle(node, owner)
      return this.table.get(node)(this)
    }
    const look = () => {
      this.refuseClosed(node)
      return this.now(this.table.get(node), [node])
    }
    return new Lazy(ask, look)
  }

  /** @internal Takes back what was made. Gives a promise if that takes waiting. */
  end(error: unknown): void | Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    if (this.children === undefined && this.pending === undefined) {
      const leaving = this.leave(error)
      if (leaving !== undefined) this.ending = leaving
      return leaving
    }
    this.ending = this.endInner().then(failures => this.leave(error, failures))
    return this.ending
  }

  /** @internal Ends it although whoever has entered it is not done: what was made is taken back by an error. */
  async cutOff(why: string): Promise<void> {
    // Whoever closes it already is told of what fails.
    if (this.isClosed) return this.ending?.catch(() => {})
    this.cut = new ClosedError(`the scope "${this.name}" was closed before what runs in it had ended: ${why}`)
    await this.end(this.cut)
  }

  /**
   * @internal Ends it well.
   *
   * @throws ClosedError if it was cut off: nothing that was made in it has been kept.
   */
  finish(): void | Promise<void> {
    this.refuseCutOff()
    return this.end(NO_ERROR)
  }

  /** @internal Throws what it was cut off by. */
  refuseCutOff(): void {
    if (this.cut !== undefined) throw this.cut
  }

  private async endInner(): Promise<unknown[]> {
    const failures: unknown[] = []
    for (const child of [...(this.children ?? [])].reverse()) await child.cutOff(OUTER_ENDS).catch(failed => failures.push(failed))
    const { lifetimes, logger } = this.container
    const making = [...(this.pending?.keys() ?? [])]
    if (await within(Promise.allSettled(making), lifetimes.stopStepTimeout)) return failures
    const names = [...new Set(this.pending!.values())].map(nameOf).join(', ')
    logger.error(
      `hostloop: the scope "${this.name}" ends without ${names}, which did not come into being in ${lifetimes.stopStepTimeout} s`,
    )
    return failures
  }

  /** @internal What its end waits for, as texts have it; empty if that is not a teardown. */
  get waitsFor(): string {
    return this.leaving === undefined ? '' : `: the teardown of ${nameOf(this.leaving)} does not end`
  }

  /** Leaves everything, the last first, whatever fails; then tells of that. */
  private leave(error: unknown, failures: unknown[] = [], cause = error): void | Promise<void> {
    for (let exit = this.exits?.pop(); exit !== undefined; exit = this.exits!.pop()) {
      try {
        const leaving = exit.leave(cause)
        if (isPromise(leaving)) return this.leaveLater(leaving, exit, error, failures, cause)
      } catch (failed) {
        cause = this.note(exit, failed, failures, cause)
      }
    }
    this.left(error, failures)
  }

  private async leaveLater(leaving: Promise<void>, exit: Exit, error: unknown, failures: unknown[], cause: unknown): Promise<void> {
    let next = cause
    this.leaving = exit.recipe
    try {
      await leaving
    } catch (failed) {
      next = this.note(exit, failed, failures, cause)
    }
    this.leaving = undefined
    await this.leave(error, failures, next)
  }

  /** Notes that a teardown has failed, and returns the error that those before it are left by. */
  private note(exit: Exit, failed: unknown, failures: unknown[], cause: unknown): unknown {
    failures.push(failed)
    if (cause !== NO_ERROR) this.container.logger.error(`hostloop: the teardown of ${nameOf(exit.recipe)} failed`, failed)
    return cause === NO_ERROR ? failed : cause
  }

  private left(error: unknown, failures: unknown[]): void {
    if (this.exits !== undefined || this.isUser) this.container.scopes.delete(this)
    this.parent?.children?.delete(this)
    if (this.isUser) this.table.generation.leave()
    if (failures.length > 0 && error === NO_ERROR) throw asOne(failures, 'the scope did not close well')
  }

  private now(get: Get, roots: readonly number[]): unknown {
    this.table.prepare(this, roots)
    const value = get(this)
    if (!(value instanceof Promise)) return value
    value.catch(() => {})
    throw new ConflictError(this.container.wiring.whyNot([roots[0]!]))
  }

  private refuseClosed(asked: Asked | number): void {
    if (!this.isClosed) return
    const shown = typeof asked === 'number' ? this.container.wiring.node(asked).label : labelOfKey(readWanted(asked, 'resolve').key)
    throw new ClosedError(`\`${shown}\` cannot be had: its scope is closed`)
  }

  /** Refuses to let what is being made wait for what needs it. */
  private refuseCircle(node: number, owner: number | undefined): void {
    const { wiring } = this.container
    const place = owner === undefined ? undefined : wiring.places.get(owner)
    if (place === undefined || !(this.values[place] instanceof Promise)) return
    const way = wiring.way(
      [node],
      step => step === owner,
      step => this.there(step).length > 0,
    )
    if (way.length === 0) return
    const shown = [owner!, ...way].map(step => wiring.name(step)).join(' -> ')
    throw new DeadlockError(`\`${wiring.node(owner!).label}\` would wait for itself: ${shown}`)
  }
}
