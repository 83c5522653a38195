/** What can be asked of an application while it runs. */

import { describe } from '../describe'
import { ClosedError, InvalidError } from '../errors'
import { Assembly } from './assembly'
import type { Container } from './container'
import { currentScope, runIn } from './current'
import { type Asked, checkKey, type Given, type Key, readWanted } from './keys'
import { together } from './make'
import { checkOptions } from './options'
import { type GivenValues, Scope } from './scope'
import { UNSET } from './values'

/** What `App` is without HTTP. */
export abstract class Resolving extends Assembly {
  /**
   * Returns the value of what is asked for, and has it made if it is not there.
   *
   * What lives shorter than the application is looked up in the scope that the caller is in. However many ask at once, a value is made once;
   * who gives up, by `signal`, harms no other.
   *
   * @throws NotProvidedError if nothing provides it, and whatever its factory throws.
   */
  async resolve<N extends Asked>(need: N, options?: { signal?: AbortSignal }): Promise<Given<N>> {
    if (options !== undefined) checkOptions('resolve', options, ['signal'])
    const signal = readSignal(options?.signal)
    const container = this.running()
    const scope = currentScope(container)
    if (scope !== null) return scope.resolve(need)
    if (container.known.has(need)) return container.known.get(need) as Given<N>
    const found = container.wiring.lookUp(need)
    if (typeof found !== 'number') return (await askAll(container, need, found, signal)) as Given<N>
    const value = await ask(container, found, signal)
    container.know(need, found, value)
    return value as Given<N>
  }

  /**
   * Enters a scope, calls a function in it, and closes it: what was made in it is taken back, by what the function throws if it does. If the
   * application stops before the function has ended, it is taken back by a `ClosedError`, which is thrown when the function ends.
   *
   * In the function, and in all that it calls and waits for, `app.resolve` gives what lives in the scope. Without a function, the scope that
   * is returned is open until its `close`, and has a `resolve` of its own: `const scope = app.scope('request')`.
   *
   * A scope is inside the one that the caller is in, but that of a handler's list is no such: `app.scope('request')` in a handler is a second
   * unit of work. `given` has the values that come with it, by their keys, as declared with `context`.
   */
  scope<T>(name: string, body: (scope: Scope) => T | PromiseLike<T>): Promise<T>
  scope<T>(name: string, given: GivenValues, body: (scope: Scope) => T | PromiseLike<T>): Promise<T>
  scope(name: string, given?: GivenValues): Scope
  scope(name: string, ...rest: unknown[]): unknown {
    const container = this.running()
    const depth = this.depthOf(name)
    let parent = currentScope(container)
    while (parent !== null && parent.table.depth >= depth) parent = parent.parent
    const table = parent === null ? container.generation.tables.get(name)! : parent.table.inside(depth)
    const body = typeof rest.at(-1) === 'function' ? (rest.pop() as (scope: Scope) => unknown) : undefined
    const given = readGiven(name, rest)
    const open = () => new Scope(table, parent).open(given)
    return body === undefined ? open() : inScope(open, body)
  }

  /**
   * Makes new values of these keys, and of all that holds them, and swaps them in at once.
   *
   * The new ones are built and started beside the old; requests and scopes that are under way keep the old, which are taken back when the
   * last has ended. Calls meanwhile are done together after it. If anything fails it is thrown, and the old ones stay.
   *
   * @throws ConflictError if a key is not made in the application's scope.
   */
  async reload(...keys: Key[]): Promise<void> {
    const container = this.running()
    for (const key of keys) checkKey('reload', key)
    await container.reload(keys.map(key => container.wiring.find(key)))
  }

  /**
   * Runs a worker again that has ended.
   *
   * @throws ConflictError if it runs.
   */
  restart(worker: string): void {
    const container = this.running()
    container.restart(container.wiring.worker(worker))
  }

  private depthOf(name: string): number {
    const depth = this.scopes.indexOf(name)
    if (depth > 0) return depth
    const known = this.scopes.slice(1).map(scope => JSON.stringify(scope))
    throw new InvalidError(`scope is ${describe(name)}; use ${known.join(' or ')}`)
  }
}

/** Refuses what tells of no cancellation. One of another realm, as of a test runner's, does. */
function readSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted === 'function') return signal
  throw new InvalidError(`resolve has the signal ${describe(signal)}; give it an AbortSignal, such as AbortSignal.timeout(1000)`)
}

/** Reads the values that come with a scope, before it is entered. */
function readGiven(name: string, [given = [], ...more]: unknown[]): (readonly [Key, unknown])[] {
  const where = `scope "${name}" is given ${describe(more.length > 0 ? more[0] : given)}`
  const isList = typeof given === 'object' && given !== null && Symbol.iterator in given
  if (!isList || more.length > 0)
    throw new InvalidError(`${where}; give it a list of keys and values, [[Key, value], ...], then a function`)
  return Array.from(given as Iterable<unknown>, pair => {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw new InvalidError(`${where} with ${describe(pair)} in it; give it pairs of a key and a value: [[Key, value], ...]`)
    checkKey('scope', pair[0])
    return pair as [Key, unknown]
  })
}

async function inScope(open: () => Scope, body: (scope: Scope) => unknown): Promise<unknown> {
  const scope = open()
  let result
  try {
    result = await runIn(scope, () => body(scope))
  } catch (error) {
    await scope.end(error)
    throw error
  }
  await scope.finish()
  return result
}

/** Gives all of a collection; of a soft one those that are there. */
function askAll(container: Container, need: Asked, nodes: readonly number[], signal: AbortSignal | undefined): Promise<unknown[]> {
  const isWanted = (node: number) => !readWanted(need, 'resolve').isSoft || container.peek(node) !== UNSET
  return together(nodes.filter(isWanted).map(node => ask(container, node, signal)))
}

async function ask(container: Container, node: number, signal: AbortSignal | undefined): Promise<unknown> {
  const { label, depth } = container.wiring.node(node)
  if (depth === 0) return container.ask(node, signal)
  const scope = container.wiring.scopes[depth]!
  throw new ClosedError(
    `\`${label}\` lives as long as the ${scope}; ask for it inside that scope: name it in the handler's list, or enter a scope of your own ` +
      `with app.scope('${scope}', ...)`,
  )
}
