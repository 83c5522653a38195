/**
 * The words by which users declare what an application is made of.
 *
 * Nothing is called. What can be wrong with one declaration alone is refused here, where it is written; what can be wrong with all of
 * them together, when the application is checked.
 */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import { APP, type Declared, INHERITED, type Provide, type Supply, type Time, TRANSIENT } from './declared'
import { HOOK_OPTIONS, type HookCalls, type HookOptions, labelOfHook, Lifecycle, type WorkerContext } from './handles'
import { checkKey, type GivenAll, type Key, labelOfKey, type Need, Token } from './keys'
import { checkFlag, checkOptions, checkSeconds, isPlain, type Policy, POLICY_OPTIONS, readPolicy } from './options'
import { constructing, isClass, nameOf, readRecipe, type Recipe } from './recipe'
import { calledAt, quoted } from './source'

/** What a factory may return: the value, a promise of it, or a generator that yields it once and takes it back behind the `yield`. */
export type Made<T> = T | PromiseLike<T> | Generator<T, void, unknown> | AsyncGenerator<T, void, unknown>

/** What makes a value of what it is given: a function, a generator function, or a class. */
export type Factory<T, D extends readonly Need[]> = ((...args: GivenAll<D>) => Made<T>) | (new (...args: GivenAll<D>) => T)

/** The options of `supply`. */
export interface SupplyOptions {
  /** Further keys that it is provided as. */
  as?: readonly Key[]
}

/** The options of `provide`. Times are seconds; `null` waits without end. */
export interface ProvideOptions extends SupplyOptions {
  /**
   * How long a value lives, and for whom it is made once: `app`, `request`, a scope of your own, or `transient` for one that is made anew
   * for each who asks. Default: `app`.
   */
  scope?: string
  /** For making it. Default: `lifetimes.stepTimeout` in the application's scope, none in shorter ones. */
  timeout?: number | null
  /** For taking it back. Default: `lifetimes.stopStepTimeout` in the application's scope, none in shorter ones. */
  stopTimeout?: number | null
  /** Whether it is seen by its module alone, and by modules inside it. Default: no. */
  private?: boolean
  /** Whether a value with `Symbol.asyncDispose` or `Symbol.dispose` is disposed of at the end of its scope. Default: yes. */
  dispose?: boolean
}

/** The options of `worker`. Times are seconds. */
export interface WorkerOptions extends Partial<Policy> {
  /** Names of workers or hooks that start before it and stop after it; or their functions. */
  after?: Others
  /** With `ready`, how long the start waits for it. Default: `lifetimes.stepTimeout`. */
  timeout?: number | null
  /** For its end. Default: `lifetimes.stopStepTimeout`. */
  stopTimeout?: number | null
}

/** Workers or hooks, by their names or functions. */
export type Others = string | readonly (string | ((...args: never[]) => unknown))[]

type Work<D extends readonly Need[]> = (...args: [...GivenAll<D>, WorkerContext]) => unknown

const WORKER_OPTIONS = ['after', 'timeout', 'stopTimeout', ...POLICY_OPTIONS]
const PROVIDE_OPTIONS = ['as', 'scope', 'timeout', 'stopTimeout', 'private', 'dispose']

/** What `App` and modules are declared by. Every word returns the object that it was called on. */
export class Declarations {
  /** @internal */
  protected declared: Declared[] = []

  /** @internal Takes note of what was declared by a word. */
  protected declare(_word: string, declared: Declared): this {
    this.declared.push(declared)
    return this
  }

  /**
   * Provides a value that is ready. It is not taken back at the end.
   *
   * ```js
   * app.supply(Settings, Settings.fromEnv())
   * ```
   */
  supply<T>(key: Key<T>, value: NoInfer<T>, options: SupplyOptions = {}): this {
    // biome-ignore lint/complexity/noArguments: a value that is undefined is one, and one that was forgotten is none.
    checkGiven('supply', key, arguments.length)
    return this.declare('supply', supplied('supply', key, value, calledAt(this.supply), options))
  }

  /**
   * Provides what a factory makes of what it asks for. `deps` may be left out if that is nothing, and the factory if the key is a class,
   * which is constructed then.
   *
   * A factory may return a promise. A generator or async generator yields its value once; what stands behind the `yield` is its teardown,
   * and is thrown the error if its scope ends by one. A value with `Symbol.asyncDispose` or `Symbol.dispose` is disposed of.
   *
   * ```js
   * app.provide(Db, [Settings], async function* (settings) {
   *   const db = await open(settings.path)
   *   yield db
   *   await db.close()
   * }, { timeout: 5 })
   * ```
   *
   * @throws InvalidError for what nobody could call, and for a class whose constructor takes more than its list gives; a default does not count.
   */
  provide<T, const D extends readonly Need[]>(key: Key<T>, deps: D, factory: Factory<NoInfer<T>, D>, options?: ProvideOptions): this
  provide<T>(key: Key<T>, factory: Factory<NoInfer<T>, []>, options?: ProvideOptions): this
  provide<T, const D extends readonly Need[]>(key: new (...args: GivenAll<D>) => T, deps: D, options?: ProvideOptions): this
  provide<T>(key: new () => T, options?: ProvideOptions): this
  provide(key: Key, ...rest: unknown[]): this {
    checkKey('provide', key)
    const source = calledAt(this.provide)
    const label = labelOfKey(key)
    const deps = takeDeps(rest)
    const isGiven = typeof rest[0] === 'function'
    if (!isGiven && key instanceof Token) {
      throw new InvalidError(
        `provide: ${quoted(label, source)} has no factory, and a token cannot be constructed; give it a function or a class, ` +
          'or supply(...) a value that is ready',
      )
    }
    const made = isGiven ? rest.shift() : key
    const ready = ', or supply(...) a value that is ready'
    const options = takeOptions<ProvideOptions>(rest, `provide: ${quoted(label, source)}`, PROVIDE_OPTIONS, ready)
    checkFlag(`provide: ${quoted(label, source)}: private`, options.private)
    checkFlag(`provide: ${quoted(label, source)}: dispose`, options.dispose)
    const isConstructed = !isGiven || isClass(made)
    const call = isConstructed ? constructing(made, deps.length, `provide: ${quoted(label, source)}`) : made
    const recipe = readRecipe(call, deps, 'provide', label, source, options.dispose ?? true)
    return this.declare('provide', provided(recipe, keysOf('provide', key, options), options))
  }

  /** Provides one key's value as another too: whoever asks for `key` is given that of `target`. */
  alias<T>(key: Key<T>, target: Key<T>): this {
    checkKey('alias', key)
    const recipe = readRecipe((value: unknown) => value, [target], 'alias', labelOfKey(key), calledAt(this.alias), false)
    return this.declare('alias', { ...provided(recipe, [key], {}), scope: INHERITED })
  }

  /**
   * Wraps what is provided elsewhere: `wrapper` takes the value of a key, then what it asks for besides, and returns another of that key.
   *
   * Several are applied in the order of their declaration. One in a module holds in it alone.
   */
  decorate<T, const D extends readonly Need[]>(
    key: Key<T>,
    deps: D,
    wrapper: (...args: [NoInfer<T>, ...GivenAll<D>]) => Made<NoInfer<T>>,
  ): this
  decorate<T>(key: Key<T>, wrapper: (inner: NoInfer<T>) => Made<NoInfer<T>>): this
  decorate(key: Key, ...rest: unknown[]): this {
    checkKey('decorate', key)
    const source = calledAt(this.decorate)
    const deps = takeDeps(rest)
    const label = (rest[0] as { name?: string } | undefined)?.name || labelOfKey(key)
    const recipe = readRecipe(rest[0], [key, ...deps], 'decorate', label, source)
    if (rest.length > 1) {
      throw new InvalidError(
        `decorate: ${nameOf(recipe)} is given ${describe(rest[1])} behind its wrapper; give it a list of what it asks for and one function`,
      )
    }
    return this.declare('decorate', { ...provided(recipe, [key], {}), isDecorator: true })
  }

  /** Declares a value that is given when a scope is entered: `app.scope('session', [[User, user]], ...)`. */
  context(key: Key, options: { scope?: string } = {}): this {
    checkKey('context', key)
    checkOptions('context', options, ['scope'])
    const { scope = 'request' } = options
    if (typeof scope !== 'string' || scope === '')
      throw new InvalidError(`context: \`${labelOfKey(key)}\` has the scope ${describe(scope)}; use the name of a scope`)
    if (scope === APP || scope === TRANSIENT) {
      throw new InvalidError(`context: \`${labelOfKey(key)}\` has the scope "${scope}", which nobody enters with values; use supply(...)`)
    }
    return this.declare('context', { kind: 'context', label: labelOfKey(key), source: calledAt(this.context), keys: [key], scope })
  }

  /**
   * Calls a function once, when all is built and before anything starts. What it asks for is made for it.
   *
   * Invokes are called one after the other, in the order of their declaration.
   */
  invoke<const D extends readonly Need[]>(deps: D, call: (...args: GivenAll<D>) => unknown, options?: { timeout?: number | null }): this
  invoke(call: () => unknown, options?: { timeout?: number | null }): this
  invoke(...rest: unknown[]): this {
    const source = calledAt(this.invoke)
    const deps = takeDeps(rest)
    const call = rest.shift() as { name?: string } | undefined
    const label = call?.name || 'invoke'
    const options = takeOptions<{ timeout?: number | null }>(rest, `invoke: ${quoted(label, source)}`, ['timeout'])
    const recipe = readRecipe(call, deps, 'invoke', label, source, false)
    checkRun(recipe, 'invoke')
    checkSeconds(`invoke: ${nameOf(recipe)}: timeout`, options.timeout)
    return this.declare('invoke', { kind: 'invoke', label, source, recipe, timeout: options.timeout })
  }

  /**
   * Calls functions when the application starts and when it stops. Both are given what `deps` ask for, and a `{ signal }` after it.
   *
   * `onStop` is called if `onStart` has ended well, and before the teardown of what they were given.
   */
  hook<const D extends readonly Need[]>(deps: D, hook: HookCalls<GivenAll<D>> & HookOptions & { after?: Others }): this
  hook(hook: HookCalls & HookOptions & { after?: Others }): this
  hook(...rest: unknown[]): this {
    const source = calledAt(this.hook)
    const deps = takeDeps(rest)
    const [given, ...more] = rest
    const hook = given as HookCalls & HookOptions & { after?: Others }
    const label = labelOfHook(hook, source, [...HOOK_OPTIONS, 'after'])
    const [start, stop] = [hook.onStart, hook.onStop].map(call => {
      const recipe = call === undefined ? null : readRecipe(call, deps, 'hook', label, source, false)
      if (recipe !== null) checkRun(recipe, 'hook')
      return recipe
    })
    const { timeout, stopTimeout } = hook
    const where = `hook: ${quoted(label, source)}`
    if (more.length > 0)
      throw new InvalidError(`${where} is given ${describe(more[0])} behind its functions; give after, timeout and the rest beside onStart`)
    return this.declare('hook', {
      kind: 'hook',
      label,
      source,
      start: start!,
      stop: stop!,
      after: readOthers(where, hook.after),
      timeout,
      stopTimeout,
    })
  }

  /**
   * Runs a function from the start to the stop, and again when it fails. It is given what `deps` ask for, and a `WorkerContext` after it.
   *
   * At the stop its `signal` is aborted; when `stopTimeout` seconds have passed it is abandoned. A normal return is no failure, nor is an
   * `AbortError` once the signal is aborted. Throw a `FatalError` to have it not run again.
   *
   * ```js
   * app.worker('sweeper', [Links], async (links, { sleep }) => {
   *   while (await sleep(60)) await links.dropExpired()
   * })
   * ```
   */
  worker<const D extends readonly Need[]>(name: string, deps: D, work: Work<D>, options?: WorkerOptions): this
  worker(name: string, work: Work<[]>, options?: WorkerOptions): this
  worker(name: string, ...rest: unknown[]): this {
    const source = calledAt(this.worker)
    if (typeof name !== 'string' || name === '')
      throw new InvalidError(`worker has the name ${describe(name)}; use a text that is not empty`)
    const deps = takeDeps(rest)
    const recipe = readRecipe(rest.shift(), deps, 'worker', name, source, false)
    checkRun(recipe, 'worker')
    const where = `worker: ${nameOf(recipe)}`
    const { after, timeout, stopTimeout, ...given } = takeOptions<WorkerOptions>(rest, where, WORKER_OPTIONS)
    const policy = readPolicy(given, where)
    if (timeout !== undefined && !policy.ready) {
      throw new InvalidError(`${where} has a timeout, which is for its ready gate; add ready: true`)
    }
    const times = timesOf(where, { timeout, stopTimeout })
    return this.declare('worker', { kind: 'worker', label: name, source, recipe, policy, after: readOthers(where, after), ...times })
  }

  /**
   * Groups declarations. What is `private` in it is seen by it alone, and its decorators hold in it alone. Routes are the application's.
   *
   * ```js
   * app.module('billing', module => {
   *   module.provide(Gateway, [Settings], { private: true }).provide(Invoices, [Gateway])
   * })
   * ```
   */
  module(name: string, declare: (module: Module) => void): this {
    if (typeof name !== 'string' || name === '')
      throw new InvalidError(`module has the name ${describe(name)}; use a text that is not empty`)
    const source = calledAt(this.module)
    return this.declare('module', { kind: 'module', label: name, source, members: declaredBy(declare, `module '${name}'`) })
  }
}

/** What a module is declared by. */
export class Module extends Declarations {
  /** @internal */
  get members(): readonly Declared[] {
    return this.declared
  }
}

/** Calls a function that declares, and returns what it has declared. */
export function declaredBy(declare: (module: Module) => void, where: string): readonly Declared[] {
  if (typeof declare !== 'function' || isClass(declare))
    throw new InvalidError(`${where} is given ${describe(declare)}; give it a function that takes the module`)
  const module = new Module()
  if ((declare(module) as unknown) instanceof Promise)
    throw new InvalidError(`${where} is declared by an async function; declare without waiting`)
  return module.members
}

/** Takes the list of what is asked for off the front of arguments; none if it is not there. */
export function takeDeps(rest: unknown[]): readonly Need[] {
  return Array.isArray(rest[0]) ? (rest.shift() as Need[]) : []
}

/** Takes the options, which are last. */
export function takeOptions<T extends object>(rest: unknown[], where: string, known: readonly string[], instead = ''): Partial<T> {
  const [options = {}, ...more] = rest
  if (!isPlain(options) || more.length > 0) {
    throw new InvalidError(
      `${where} is given ${describe(more.length > 0 ? more[0] : options)}; give it a list of what it asks for, a function, options${instead}`,
    )
  }
  checkOptions(where, options, known)
  return options
}

/** A value that is ready, as a declaration. */
export function supplied(word: string, key: Key, value: unknown, source: string, options: SupplyOptions = {}): Supply {
  checkKey(word, key)
  const label = labelOfKey(key)
  const where = `${word}: ${quoted(label, source)}`
  checkOptions(where, options, ['as'])
  if (!isPlain(options))
    throw new InvalidError(`${where} is given ${describe(options)} behind its value; give it an object of options: { as: [...] }`)
  if (value instanceof Promise) throw new InvalidError(`${where} is given a promise; await it, or provide(...) it`)
  return { kind: 'supply', label, source, value, keys: keysOf(word, key, options), isBuiltIn: false }
}

function provided(recipe: Recipe, keys: readonly Key[], options: ProvideOptions): Provide {
  const { scope = APP } = options
  if (typeof scope !== 'string' || scope === '' || scope === INHERITED) {
    throw new InvalidError(`provide: ${nameOf(recipe)} has the scope ${describe(scope)}; use the name of a scope`)
  }
  if (scope !== APP && recipe.parameters.includes(Lifecycle)) {
    throw new InvalidError(
      `provide: ${nameOf(recipe)} asks for Lifecycle and has the scope "${scope}"; hooks are the application's: ` +
        'let it be a generator instead, whose teardown stands behind the yield',
    )
  }
  const { label, source } = recipe
  return {
    kind: 'provide',
    label,
    source,
    recipe,
    keys,
    scope,
    isPrivate: options.private ?? false,
    isDecorator: false,
    ...timesOf(`provide: ${nameOf(recipe)}`, options),
  }
}

function keysOf(where: string, key: Key, { as = [] }: SupplyOptions): Key[] {
  if (!Array.isArray(as)) throw new InvalidError(`${where}: \`${labelOfKey(key)}\` has as: ${describe(as)}; give a list of keys`)
  for (const other of as) checkKey(`${where}: \`${labelOfKey(key)}\``, other)
  return [key, ...as]
}

function timesOf(where: string, { timeout, stopTimeout }: { timeout?: Time; stopTimeout?: Time }): { timeout: Time; stopTimeout: Time } {
  checkSeconds(`${where}: timeout`, timeout)
  checkSeconds(`${where}: stopTimeout`, stopTimeout)
  return { timeout, stopTimeout }
}

/** Refuses a word that was given a key and no value. */
export function checkGiven(word: string, key: unknown, count: number): void {
  if (count > 1) return
  checkKey(word, key)
  throw new InvalidError(`${word}: \`${labelOfKey(key)}\` is given no value; give it one: ${word}(${labelOfKey(key)}, ...)`)
}

/** What somebody starts after, as a list. */
function readOthers(where: string, others: Others | undefined): readonly unknown[] {
  const list: unknown = others === undefined ? [] : typeof others === 'string' ? [others] : others
  if (!Array.isArray(list)) throw new InvalidError(`${where}: after is ${describe(others)}; use a name, or a list of names and functions`)
  const wrong = list.find(other => typeof other !== 'function' && (typeof other !== 'string' || other === ''))
  if (list.includes(wrong)) throw new InvalidError(`${where}: after has ${describe(wrong)}; use names and functions of workers and hooks`)
  return [...list]
}

/** What only runs has no value to take back, and adds no hooks. */
function checkRun(recipe: Recipe, word: string): void {
  if (word !== 'invoke' && recipe.parameters.includes(Lifecycle)) {
    throw new InvalidError(`${word}: ${nameOf(recipe)} asks for Lifecycle, which is for what is built; declare the hook by itself`)
  }
  if (recipe.style === 'generator' || recipe.style === 'async generator') {
    throw new InvalidError(`${word}: ${nameOf(recipe)} is a generator; use a function, or provide(...) what has a teardown`)
  }
}
