/**
 * How a value of a shorter scope is made: its factory's call, after what it needs, in closures that know their arguments.
 *
 * What a closure returns is the value, or a promise of it while it is being made: a made value is never a promise itself. So what takes no
 * waiting is made without a promise, and what is independent is made at once.
 */

import { ClosedError, StepTimeout } from '../errors'
import type { Time } from './declared'
import { canDispose, type Exit, isPromise, Kept, read } from './held'
import { type Callable, nameOf, type Recipe } from './recipe'
import type { Scope } from './scope'
import { UNSET } from './values'
import { within } from './wait'

/** Gives a value in a scope, or a promise of it. */
export type Get = (scope: Scope) => unknown

/** What is to be made. */
export interface Target {
  readonly recipe: Recipe
  /** The place of the value in the scope's list; nothing if it is made for each who asks. */
  readonly place: number | undefined
  readonly timeout: Time
  readonly stopTimeout: Time
}

/** What values are bound in closures that give them. */
const constants = new WeakMap<Get, { readonly is: unknown }>()

/** Gives the same value in every scope. */
export function constant(value: unknown): Get {
  const get = () => value
  constants.set(get, { is: value })
  return get
}

/** Gives what was made in the scope already, or has it made. */
export function once(place: number, make: Get): Get {
  return scope => {
    const found = scope.values[place]
    return found === UNSET ? make(scope) : found
  }
}

/** Makes the function that makes a value in a scope. */
export function maker(target: Target, gets: readonly Get[]): Get {
  const { recipe } = target
  const { call } = recipe
  const finish = finisher(target)
  const wait = (scope: Scope, found: unknown[]) => pend(target, scope, called(recipe, scope, gets, found))
  const bound = gets.map(get => constants.get(get))
  if (bound.every(value => value !== undefined)) {
    const begin = applied(
      call,
      bound.map(value => value.is),
    )
    return scope => finish(scope, begin())
  }
  const [first, second] = gets as [Get, Get]
  if (gets.length === 1) {
    return scope => {
      const a = first(scope)
      return a instanceof Promise ? wait(scope, [a]) : finish(scope, call(a))
    }
  }
  if (gets.length === 2) {
    return scope => {
      const a = first(scope)
      const b = second(scope)
      return a instanceof Promise || b instanceof Promise ? wait(scope, [a, b]) : finish(scope, call(a, b))
    }
  }
  return scope => {
    const args = gets.map(get => get(scope))
    return args.some(argument => argument instanceof Promise) ? wait(scope, args) : finish(scope, call(...args))
  }
}

/** Calls a function with arguments that are known already. */
function applied(call: Callable, args: readonly unknown[]): () => unknown {
  const [a, b, c] = args
  switch (args.length) {
    case 0:
      return () => call()
    case 1:
      return () => call(a)
    case 2:
      return () => call(a, b)
    case 3:
      return () => call(a, b, c)
    default:
      return () => call(...args)
  }
}

/** Gives several values as a list. */
export function gathered(gets: readonly Get[]): Get {
  return scope => {
    const values = gets.map(get => get(scope))
    return values.some(value => value instanceof Promise) ? together(values) : values
  }
}

/** Waits for all of these. Throws the first failure when nothing is under way any more. */
export async function together(values: readonly unknown[]): Promise<unknown[]> {
  const ends = await Promise.allSettled(values)
  const failed = ends.find((end): end is PromiseRejectedResult => end.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return ends.map(end => (end as PromiseFulfilledResult<unknown>).value)
}

/** Keeps what a call has returned, or waits for it. */
function finisher(target: Target): (scope: Scope, returned: unknown) => unknown {
  const { recipe, place, stopTimeout } = target
  // Most values are of one class, which says what is to be done with them.
  let plain: object | null = null
  return (scope, returned) => {
    if (typeof returned === 'object' && returned !== null) {
      const kind = Object.getPrototypeOf(returned) as object | null
      if (kind !== plain || kind === null) {
        const kept = read(recipe, returned, scope.container.owned)
        if (!(kept instanceof Kept)) return pend(target, scope, kept)
        if (kept.exit !== null) return keep(scope, place, kept, stopTimeout)
        if (kind !== Object.prototype && !canDispose(returned)) plain = kind
      }
    }
    if (place !== undefined) scope.values[place] = returned
    return returned
  }
}

function keep(scope: Scope, place: number | undefined, { value, exit }: Kept, stopTimeout: Time): unknown {
  if (exit !== null) scope.hold(typeof stopTimeout === 'number' ? new BoundedExit(exit, stopTimeout) : exit)
  if (place !== undefined) scope.values[place] = value
  return value
}

/** Makes the call when all that it needs is there. */
async function called(recipe: Recipe, scope: Scope, gets: readonly Get[], found: unknown[]): Promise<Kept> {
  const args = await together([...found, ...gets.slice(found.length).map(get => get(scope))])
  return read(recipe, recipe.call(...args), scope.container.owned)
}

/** Waits for a value that is being made; who asks meanwhile waits with the first. */
function pend({ recipe, place, timeout, stopTimeout }: Target, scope: Scope, making: Promise<Kept>): Promise<unknown> {
  const made = typeof timeout === 'number' ? bounded(recipe, making, timeout, scope) : making
  const promise = made.then(
    kept => {
      if (!scope.isClosed) return keep(scope, place, kept, stopTimeout)
      scope.container.late(recipe, kept.exit)
      throw new ClosedError(`\`${recipe.label}\` cannot be had: its scope is closed`)
    },
    error => {
      if (place !== undefined) scope.values[place] = UNSET
      throw error
    },
  )
  if (place !== undefined) scope.values[place] = promise
  scope.pend(promise, recipe)
  return promise
}

async function bounded(recipe: Recipe, making: Promise<Kept>, seconds: number, scope: Scope): Promise<Kept> {
  if (await within(making, seconds)) return making
  making.then(
    ({ exit }) => scope.container.late(recipe, exit),
    () => {},
  )
  throw new StepTimeout(`${nameOf(recipe)} did not end in ${seconds} s`)
}

/** Takes a value back within its time. */
class BoundedExit implements Exit {
  readonly recipe: Recipe
  readonly made: unknown

  constructor(
    private readonly exit: Exit,
    private readonly seconds: number,
  ) {
    this.recipe = exit.recipe
    this.made = exit.made
  }

  leave(error: unknown): void | Promise<void> {
    const leaving = this.exit.leave(error)
    return isPromise(leaving) ? this.#wait(leaving) : undefined
  }

  async #wait(leaving: Promise<void>): Promise<void> {
    if (await within(leaving, this.seconds)) return
    leaving.catch(() => {})
    throw new StepTimeout(`the teardown of ${nameOf(this.recipe)} did not end in ${this.seconds} s`)
  }
}
