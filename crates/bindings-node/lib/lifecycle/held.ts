/**
 * Taking what was made back: generators and what can be disposed of.
 *
 * A generator yields its value once; what stands behind the `yield` is its teardown. It is thrown the error that its scope ends by, and
 * cannot swallow it: whoever threw it is told. One that fails does not take that error's place.
 */

import { ProviderError } from '../errors'
import { nameOf, type Recipe } from './recipe'

/** Stands for no error: anything can be thrown, `undefined` too. */
export const NO_ERROR = Symbol('no error')

/** What a value is taken back by. */
export interface Exit {
  readonly recipe: Recipe
  readonly made: unknown
  /** Takes it back, by an error or without. Throws what the teardown throws, but not that error itself. */
  leave(error: unknown): void | Promise<void>
}

const isSame = (thrown: unknown, error: unknown) => thrown === error && error !== NO_ERROR

/** Takes back what a generator yielded. */
export class GeneratorExit implements Exit {
  constructor(
    readonly recipe: Recipe,
    readonly made: Generator<unknown, unknown>,
  ) {}

  leave(error: unknown): void {
    let step
    try {
      step = error === NO_ERROR ? this.made.next() : this.made.throw(error)
    } catch (thrown) {
      if (isSame(thrown, error)) return
      throw thrown
    }
    if (step.done) return
    this.made.return(undefined)
    throw twice(this.recipe)
  }
}

/** Takes back what an async generator yielded. */
export class AsyncGeneratorExit implements Exit {
  constructor(
    readonly recipe: Recipe,
    readonly made: AsyncGenerator<unknown, unknown>,
  ) {}

  async leave(error: unknown): Promise<void> {
    let step
    try {
      step = await (error === NO_ERROR ? this.made.next() : this.made.throw(error))
    } catch (thrown) {
      if (isSame(thrown, error)) return
      throw thrown
    }
    if (step.done) return
    await this.made.return(undefined)
    throw twice(this.recipe)
  }
}

/** Disposes of a value. Each is disposed of once, whoever else gives it on. */
export class DisposableExit implements Exit {
  constructor(
    readonly recipe: Recipe,
    readonly made: object,
    private readonly owned: WeakSet<object>,
  ) {}

  leave(): void | Promise<void> {
    this.owned.delete(this.made)
    const made = this.made as Partial<AsyncDisposable & Disposable>
    if (typeof made[Symbol.asyncDispose] === 'function') return made[Symbol.asyncDispose]!() as Promise<void>
    made[Symbol.dispose]!()
  }
}

/** Returns how a value is disposed of, unless it cannot be, or somebody else does. */
function disposable(recipe: Recipe, value: unknown, owned: WeakSet<object>): DisposableExit | null {
  return canDispose(value) && claim(value, owned) && recipe.disposes ? new DisposableExit(recipe, value, owned) : null
}

/** Notes that somebody disposes of a value, and returns whether that is new. */
function claim(value: object, owned: WeakSet<object>): boolean {
  if (owned.has(value)) return false
  owned.add(value)
  return true
}

/** Whether a value can be disposed of. */
export function canDispose(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const found = value as Partial<AsyncDisposable & Disposable>
  return typeof found[Symbol.asyncDispose] === 'function' || typeof found[Symbol.dispose] === 'function'
}

/** What a call has made: the value, and what it is taken back by. */
export class Kept {
  constructor(
    readonly value: unknown,
    readonly exit: Exit | null,
  ) {}
}

/** Reads what a factory has returned. Gives a promise if it is to be waited for. */
export function read(recipe: Recipe, returned: unknown, owned: WeakSet<object>): Kept | Promise<Kept> {
  if (isPromise(returned)) return Promise.resolve(returned).then(value => read(recipe, value, owned))
  if (isGenerator(returned)) return entered(returned.next(), new GeneratorExit(recipe, returned), owned)
  if (!isAsyncGenerator(returned)) return new Kept(returned, disposable(recipe, returned, owned))
  const exit = new AsyncGeneratorExit(recipe, returned)
  return returned.next().then(step => entered(step, exit, owned))
}

function entered({ done, value }: IteratorResult<unknown, unknown>, exit: Exit, owned: WeakSet<object>): Kept {
  if (done) throw never(exit.recipe)
  // What takes it back is the generator.
  if (canDispose(value)) claim(value, owned)
  return new Kept(value, exit)
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

export function isGenerator(value: unknown): value is Generator<unknown, unknown> {
  return canThrow(value) && Object.prototype.toString.call(value) === '[object Generator]'
}

export function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown> {
  return canThrow(value) && Object.prototype.toString.call(value) === '[object AsyncGenerator]'
}

/** Whether errors can be thrown into it: tells generators from most other things at little cost. */
function canThrow(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { throw?: unknown }).throw === 'function'
}

/** The error of a generator without a value. */
function never(recipe: Recipe): ProviderError {
  return new ProviderError(`${nameOf(recipe)} ends without a yield; yield its value once`)
}

function twice(recipe: Recipe): ProviderError {
  return new ProviderError(`${nameOf(recipe)} yields a second time; yield its value once, and take it back behind that`)
}
