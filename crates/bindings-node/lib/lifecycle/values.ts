/** The values of the application's scope: made, asked for, and taken back, as the run says. */

import { ConflictError } from '../errors'
import { typed } from '../typed'
import { recipeOf } from './declared'
import { Driver, type Life } from './driver'
import { Activity, type AddsHooks, type HookCalls, type HookOptions, Lifecycle } from './handles'
import { type Exit, Kept, NO_ERROR, read } from './held'
import { Joined, Ticket } from './joined'
import type { Need } from './keys'
import { Lazy } from './lazy'
import type { CommandOf } from './native'
import { nativeSeconds } from './options'
import { nameOf, type Recipe } from './recipe'
import { asRequester, type Requester, requesterEnded, requesterOf } from './requester'
import { livesWithApp } from './wiring'

/** Stands for a value that was not made. */
export const UNSET = Symbol('unset')

/** How a value is taken back, and whether that is still wanted. */
interface Held {
  readonly exit: Exit
  readonly activity: Activity
}

/** A construction that is under way. Its activity outlives it: the teardown has the same. */
class Making extends Activity implements Requester {
  constructor(
    readonly container: object,
    readonly op: bigint,
    readonly instance: number,
    readonly recipe: Recipe,
  ) {
    super()
  }
}

/** Who waits, and the node that is remembered with the value. */
interface Waiting {
  readonly ticket: Ticket
  readonly node: number | undefined
}

export abstract class Values extends Driver implements AddsHooks {
  /** Values by what they were asked for as, as long as they are current. */
  readonly known = new Map<Need, unknown>()
  /** What is disposed of by somebody: values that were supplied, and those that were made. */
  readonly owned = new WeakSet<object>()
  protected readonly held = new Map<number, Held>()
  /** Hooks that factories added. */
  protected readonly added = new Map<number, HookCalls>()
  readonly #instances = new Map<number, unknown>()
  /** The node of each instance. */
  readonly #nodes = new Map<number, number>()
  /** How many instances there are of each node. */
  readonly #live = new Map<number, number>()
  /** The instance that each node of the application's scope has now, once it was asked for. */
  readonly #current = new Map<number, number>()
  readonly #tickets = new Map<number, Waiting>()
  readonly #joined = new Map<number, Joined>()
  readonly #lazies = new Map<number, Lazy<unknown>>()

  constructor(life: Life) {
    super(life)
    for (const { declared } of life.wiring.nodes) {
      if (declared?.kind === 'supply' && typeof declared.value === 'object' && declared.value !== null) this.owned.add(declared.value)
    }
  }

  /** Whether what is asked for may be of a generation that is not current. */
  abstract get isReloading(): boolean

  // Making.

  protected construct({ op, node, instance, args }: CommandOf<'construct'>): void {
    if (this.isDropped(op)) return
    this.#nodes.set(instance, node)
    const { declared } = this.wiring.node(node)
    if (declared === null)
      this.#keep(
        op,
        instance,
        args.map(argument => this.#instances.get(argument)),
      )
    else if (declared.kind === 'supply') this.#keep(op, instance, declared.value)
    else this.#make(new Making(this, op, instance, recipeOf(declared)), args)
  }

  #make(making: Making, args: readonly number[]): void {
    const { op, recipe } = making
    this.activities.set(op, making)
    this.run.began(op)
    let made: Kept | Promise<Kept>
    try {
      made = asRequester(making, () => read(recipe, this.called(recipe, args, { op, activity: making }), this.owned))
    } catch (error) {
      return this.#failed(making, error)
    }
    if (made instanceof Kept) this.#made(making, made)
    else
      made.then(
        kept => this.#made(making, kept),
        error => this.#failed(making, error),
      )
  }

  #made(making: Making, { value, exit }: Kept): void {
    const { op, instance, recipe } = making
    requesterEnded(making)
    if (this.#keep(op, instance, value, exit === null ? undefined : { exit, activity: making }) || exit === null) return
    this.late(recipe, exit)
  }

  #failed(making: Making, error: unknown): void {
    requesterEnded(making)
    this.failed(making.op, error)
  }

  protected override abandon(op: bigint): void {
    const making = this.activities.get(op)
    if (making instanceof Making) requesterEnded(making)
    super.abandon(op)
  }

  /** Takes back what was made too late for anybody to want it. */
  late(recipe: Recipe, exit: Exit | null): void {
    const leaving = (async () => exit?.leave(NO_ERROR))()
    leaving.catch(error => this.logger.error(`hostloop: the late teardown of ${nameOf(recipe)} failed`, error))
  }

  /** Keeps a value that was made, and returns whether it was still waited for. */
  #keep(op: bigint, instance: number, value: unknown, held?: Held): boolean {
    const node = this.#nodes.get(instance)!
    this.#instances.set(instance, value)
    this.#live.set(node, (this.#live.get(node) ?? 0) + 1)
    if (held !== undefined) this.held.set(instance, held)
    if (!this.complete(op, held === undefined ? 'done' : 'held')) {
      this.#drop(instance)
      this.held.delete(instance)
      return false
    }
    if (livesWithApp(this.wiring.node(node)) && !this.isReloading) this.#current.set(node, instance)
    return true
  }

  /** Calls a recipe's function with what the run gives it, and more behind it. */
  protected called(
    recipe: Recipe,
    args: readonly number[],
    by: { op: bigint; activity: Activity } | undefined,
    ...more: unknown[]
  ): unknown {
    let next = 0
    const given = recipe.parameters.map(parameter => {
      if (parameter === Lifecycle) return new Lifecycle(this, by!.op, by!.activity)
      const argument = args[next++]!
      if (argument > 0) return this.#instances.get(argument)
      return argument === 0 ? undefined : this.lazy(-1 - argument)
    })
    return recipe.call(...given, ...more)
  }

  addHook(op: bigint, hook: HookCalls & HookOptions & { label: string; source: string }): void {
    const times = [nativeSeconds(hook.timeout), nativeSeconds(hook.stopTimeout)] as const
    this.added.set(
      typed(() => this.run.addHook(op, hook.label, hook.source, ...times)),
      hook,
    )
  }

  // Taking back.

  protected finalize({ op, instance, why, error }: CommandOf<'finalize'>): void {
    const { exit, activity } = this.held.get(instance)!
    this.#drop(instance)
    this.held.delete(instance)
    this.activities.set(op, activity)
    const by = why === 'error' && this.errors.has(error) ? this.errors.get(error) : NO_ERROR
    this.answer(op, () => exit.leave(by))
  }

  protected forget(instances: readonly number[]): void {
    for (const instance of instances) if (this.#nodes.has(instance)) this.#drop(instance)
  }

  /** Keeps a value no longer. */
  #drop(instance: number): void {
    const node = this.#nodes.get(instance)!
    this.#instances.delete(instance)
    this.#nodes.delete(instance)
    this.#live.set(node, this.#live.get(node)! - 1)
    if (this.#current.get(node) === instance) {
      this.known.clear()
      this.#current.delete(node)
    }
  }

  // Asking.

  /** Returns every value that the application's scope has now, by node. */
  protected current(): Map<number, unknown> {
    return new Map([...this.#current].map(([node, instance]) => [node, this.#instances.get(instance)]))
  }

  /** Puts new values in the place of others: nodes and instances in turn. */
  protected replace(pairs: readonly number[]): void {
    for (let at = 0; at < pairs.length; at += 2) this.#current.set(pairs[at]!, pairs[at + 1]!)
    this.known.clear()
  }

  /** Returns the value that a node of the application's scope has now, or `UNSET`. Makes nothing. */
  peek(node: number): unknown {
    let instance = this.#current.get(node)
    if (instance === undefined) {
      // Of several instances, the run knows which is current. If there is one, the run makes none.
      if (!this.#live.get(node)) return UNSET
      instance = this.run.request(node).value!
      this.#current.set(node, instance)
    }
    return this.#instances.get(instance)
  }

  /** Remembers a value that is current for whoever asks for the same again. */
  know(need: Need, node: number, value: unknown): void {
    if (livesWithApp(this.wiring.node(node)) && !this.isReloading && this.peek(node) === value) this.known.set(need, value)
  }

  /** Gives the value of a node of the application's scope, and has it made if it is not there. */
  async ask(node: number, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    const op = requesterOf(this)
    if (op !== undefined || !livesWithApp(this.wiring.node(node))) return this.#join(node, op).wait(signal)
    let joined = this.#joined.get(node)
    if (joined === undefined) {
      const value = this.peek(node)
      if (value !== UNSET) return value
      joined = this.#join(node, undefined)
      if (joined.ticket.settled === undefined) this.#joined.set(node, joined)
    }
    return joined.wait(signal)
  }

  /**
   * Returns the value of a node of the application's scope without waiting.
   *
   * @throws ConflictError if making it takes waiting.
   */
  get(node: number): unknown {
    const value = this.peek(node)
    if (value !== UNSET) return value
    const waits = (other: number) => this.wiring.node(other).isAsync
    const way = this.wiring.way([node], waits, other => this.peek(other) !== UNSET)
    if (way.length > 0) throw new ConflictError(this.wiring.whyNot(way))
    const { ticket, giveUp } = this.#request(node, undefined)
    if (ticket.settled === undefined) this.pump()
    if (ticket.settled === undefined) {
      giveUp()
      throw new ConflictError(this.wiring.whyNot([node]))
    }
    if ('error' in ticket.settled) throw ticket.settled.error
    return ticket.settled.value
  }

  /** Returns the handle of a value that is asked for later. */
  lazy(index: number): Lazy<unknown> {
    const node = this.wiring.behind(index)
    let found = this.#lazies.get(node)
    if (found === undefined)
      this.#lazies.set(
        node,
        (found = new Lazy(
          () => this.ask(node),
          () => this.get(node),
        )),
      )
    return found
  }

  /** Who wait for values, to be told if none will come. */
  protected unanswered(): Ticket[] {
    return [...this.#tickets.values()].map(({ ticket }) => ticket)
  }

  #join(node: number, op: bigint | undefined): Joined {
    const { ticket, giveUp } = this.#request(node, op)
    return new Joined(ticket, () => {
      this.#joined.delete(node)
      giveUp()
    })
  }

  #request(node: number, op: bigint | undefined): { ticket: Ticket; giveUp: () => void } {
    const ticket = new Ticket()
    // What a factory of a new generation is given is not what is current.
    const kept = op === undefined && livesWithApp(this.wiring.node(node)) ? node : undefined
    const { value, failure, ticket: number } = this.run.request(node, op)
    if (failure !== undefined) ticket.reject(this.errors.of(failure))
    else if (value !== undefined) ticket.resolve(this.#found(value, kept))
    else this.#tickets.set(number!, { ticket, node: kept })
    this.wake()
    const giveUp = () => {
      if (this.#tickets.delete(number!)) this.run.abandon(number!)
      this.wake()
    }
    return { ticket, giveUp }
  }

  #found(instance: number, node: number | undefined): unknown {
    if (node !== undefined) this.#current.set(node, instance)
    return this.#instances.get(instance)
  }

  protected settle({ ticket: number, value, failure }: CommandOf<'settle'>): void {
    const waiting = this.#tickets.get(number)
    if (waiting === undefined) return
    this.#tickets.delete(number)
    const { ticket, node } = waiting
    if (node !== undefined && this.#joined.get(node)?.ticket === ticket) this.#joined.delete(node)
    if (failure !== undefined) ticket.reject(this.errors.of(failure))
    else ticket.resolve(this.#found(value!, node))
  }
}
