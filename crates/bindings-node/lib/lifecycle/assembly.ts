/** An application without its HTTP: what it is made of, its start and its stop. */

import { describe } from '../describe'
import { ConflictError, InvalidError, type Mistake } from '../errors'
import { typed } from '../typed'
import { defaultLogger, guarded, type Logger } from '../logger'
import type { Gate } from './activities'
import { Container } from './container'
import { checkGiven, Declarations, declaredBy, type Module, supplied } from './declare'
import { APP, type Declared, INHERITED, type Supply, TRANSIENT } from './declared'
import { type Key, Token } from './keys'
import type { ManualClock, NativeEvent } from './native'
import { type Lifetimes, readLifetimes } from './options'
import { isClass } from './recipe'
import { onSignals, type Place, stayAlive } from './signals'
import { calledAt } from './source'
import { reloading, type Reloads } from './watch'
import type { Wiring } from './wiring'
import { wire } from './writer'

/** The settings of an application without HTTP. */
export interface AssemblyOptions {
  /** The lifetimes that values may have, from the longest to the shortest: `app`, your own, `request`. Default: `app` and `request`. */
  scopes?: readonly string[]
  /** How long the steps of the start and of the stop may take. */
  lifetimes?: Partial<Lifetimes>
  /**
   * What takes the lines of the log: a text, and the error that it tells of, if there is one. One that throws stops nothing. Default: warnings
   * and errors go to the standard error output, and the lines of `accessLog` to the standard output.
   */
  logger?: Logger
}

/** A graph as data. */
export interface Explanation {
  readonly stage: string
  readonly scopes: readonly string[]
  readonly nodes: readonly {
    readonly id: number
    readonly label: string
    readonly kind: string
    readonly provides: string
    readonly source: string
    readonly scope: string
    readonly module: string
    readonly level: number
    readonly state: string
    readonly seconds: number | null
    readonly detail: string
  }[]
  readonly edges: readonly { readonly from: number; readonly to: number; readonly kind: 'needs' | 'lazy' | 'after' }[]
}

/** What is heeded from outside while an application runs. */
export interface Outside {
  /** Is told of each SIGINT and SIGTERM; without it they do not stop the application. */
  readonly onSignal?: () => void
  /** Paths whose change makes everything anew, or keys with the paths whose change makes them anew. */
  readonly reload?: Reloads | undefined
  /** Its place among several processes. */
  readonly slot?: Place | undefined
}

/** What a graph can be written as. */
const FORMATS = ['json', 'dot', 'mermaid', 'html']

/** What an application is made of, and its life. */
export abstract class Assembly extends Declarations {
  readonly lifetimes: Lifetimes
  protected readonly logger: Logger
  protected container: Container | undefined = undefined
  /** @internal For tests. */
  protected clock: ManualClock | undefined = undefined
  /** @internal For tests. */
  protected observe: ((event: NativeEvent) => void) | undefined = undefined
  // They are copied to overrides, as all the rest is.
  protected readonly scopes: readonly string[]
  private overrides: readonly Declared[] = []
  private wiring: Wiring | undefined = undefined
  /** How much was declared when the wiring was checked: an application and its overrides have all but the overrides in common. */
  private wired = 0
  private ended: Promise<void> = Promise.resolve()

  constructor({ scopes = [APP, 'request'], lifetimes = {}, logger = defaultLogger }: AssemblyOptions) {
    super()
    this.scopes = checkScopes(scopes)
    this.lifetimes = readLifetimes(lifetimes)
    this.logger = guarded(logger)
  }

  // What subclasses say.

  /** Seconds for requests that are under way when the stop begins. */
  protected abstract get drainTimeout(): number | null

  /** Declarations that the user does not write. */
  protected builtIn(): Declared[] {
    const keys: Key[] = []
    for (let own = this.constructor; own !== Assembly; own = Object.getPrototypeOf(own) as typeof own) keys.push(own as unknown as Key)
    const itself: Supply = { kind: 'supply', label: 'App', source: '', value: this, keys, isBuiltIn: true }
    return [itself]
  }

  /** @internal */
  protected override declare(word: string, declared: Declared): this {
    this.refuseRunning(`${word} \`${declared.label}\``)
    return super.declare(word, declared)
  }

  /** Checks what the graph cannot know. */
  protected checked(wiring: Wiring): Wiring {
    return wiring
  }

  protected refuseRunning(word: string): void {
    if (this.container !== undefined)
      throw new ConflictError(`${word}: the application runs, and what it is made of is fixed; do it before`)
  }

  protected refuseSecond(): void {
    if (this.container !== undefined) throw new ConflictError('the application runs already; stop it first')
  }

  // The plan.

  /** Checks the declarations, unless that was done. */
  protected wire(): Wiring {
    const declared = [...this.declared, ...this.builtIn()]
    if (this.wiring === undefined || this.wired !== declared.length) {
      this.wiring = this.checked(wire(declared, this.overrides, this.scopes))
      this.wired = declared.length
      for (const { text } of this.wiring.plan.warnings()) this.logger.info(`hostloop: ${text}`)
    }
    return this.wiring
  }

  /**
   * Checks the declarations without calling anything of the user's, and returns what is odd about them.
   *
   * @throws WiringError with every mistake.
   */
  check(): readonly Mistake[] {
    return this.wire().plan.warnings()
  }

  /**
   * Describes the graph: what needs what and, of an application that runs, states and how long each step took.
   *
   * @param format Nothing for an object, or a text: `json`, `dot` for Graphviz, `mermaid`, or `html`, one page that loads nothing.
   */
  explain(): Explanation
  explain(format: 'json' | 'dot' | 'mermaid' | 'html'): string
  explain(format?: string): Explanation | string {
    if (format !== undefined && !FORMATS.includes(format))
      throw new InvalidError(`explain is given the format ${describe(format)}; use ${FORMATS.map(known => `'${known}'`).join(', ')}`)
    const source = this.container?.run ?? this.wire().plan
    const text = typed(() => source.explain(format ?? 'json'))
    return format === undefined ? (JSON.parse(text) as Explanation) : text
  }

  /**
   * Makes an application in which what is declared here takes the place of what is provided, with the same routes. Decorators of what is
   * replaced are not applied.
   *
   * ```js
   * const client = await app.override(Mailer, new Silent()).test()
   * ```
   *
   * What is added to it is its own. Of a subclass it has the fields, as they are now, but those whose names begin with `#`: no object can be given another's.
   *
   * @throws WiringError if nothing is there to be replaced.
   */
  override<T>(key: Key<T>, value: NoInfer<T>): this
  override(declare: (module: Module) => void): this
  override(...given: unknown[]): this {
    const source = calledAt(this.override)
    const [first, ...more] = given
    const isKey = more.length > 0 || first instanceof Token || isClass(first)
    if (isKey) checkGiven('override', first, given.length)
    if (more.length > 1)
      throw new InvalidError(`override is given ${describe(more[1])} behind the value; give it a key and a value, or a function`)
    const overrides = isKey
      ? [supplied('override', first as Key, more[0], source)]
      : declaredBy(first as (module: Module) => void, 'override')
    const other = this.copied()
    other.overrides = [...this.overrides, ...overrides]
    other.check()
    return other
  }

  /** Makes an application of the same declarations, to which others can be added. */
  protected copied(): this {
    const other = Object.assign(Object.create(Object.getPrototypeOf(this) as object), this) as this
    other.declared = [...this.declared]
    other.wiring = other.container = undefined
    other.ended = Promise.resolve()
    return other
  }

  // The life.

  /** Builds and starts everything. What fails undoes all of it, and is thrown. */
  protected async begin(gate: Gate, outside: Outside = {}): Promise<Container> {
    const life = { wiring: this.wire(), lifetimes: this.lifetimes, drainTimeout: this.drainTimeout, logger: this.logger }
    const container = new Container(gate, { ...life, clock: this.clock, observe: this.observe })
    this.container = container
    const ends = [() => (this.container = undefined)] as (() => void)[]
    const release = () => ends.splice(0).forEach(end => end())
    try {
      if (outside.reload !== undefined) ends.push(reloading(container, outside.reload))
      if (outside.onSignal !== undefined) ends.push(signalling(container, outside.onSignal, outside.slot), stayAlive())
      this.ended = container.down().finally(release)
      this.ended.catch(() => {})
      await container.start()
    } catch (error) {
      release()
      throw error
    }
    return container
  }

  /**
   * Begins to stop the application, also from a factory, hook, worker or handler; and ends when everything has ended. Do not wait for it in
   * what it stops. An application that does not run is left alone.
   *
   * @param code What the process ends with if `run` runs it; the code of the first call holds. Default: 0.
   * @throws InvalidError for what is no code, from 0 to 255; and whatever has failed: one alone as it is, several as a `LifecycleError`.
   */
  stop(code = 0): Promise<void> {
    if (!Number.isInteger(code) || code < 0 || code > 255)
      return Promise.reject(new InvalidError(`stop is given the code ${describe(code)}; give it a whole number from 0 to 255`))
    this.container?.stop(code)
    return this.wait()
  }

  /**
   * Ends when the application has stopped.
   *
   * @throws Whatever has failed.
   */
  wait(): Promise<void> {
    // Whoever does not wait for it is not to be told of what fails by the end of the process.
    const ended = this.ended.then(() => {})
    ended.catch(() => {})
    return ended
  }

  /** Stops the application. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Whether it is up and not about to stop: for a health check that a load balancer asks. */
  get isReady(): boolean {
    return this.container?.run.isReady ?? false
  }

  /** Whether it goes on without a worker that has failed too often. */
  get isDegraded(): boolean {
    return this.container?.run.isDegraded ?? false
  }

  protected running(): Container {
    if (this.container === undefined) throw new ConflictError('the application does not run; start it first')
    return this.container
  }
}

function signalling(container: Container, told: () => void, slot: Place | undefined): () => void {
  return onSignals(number => {
    told()
    container.signal(number)
  }, slot)
}

function checkScopes(scopes: readonly string[]): readonly string[] {
  if (!Array.isArray(scopes)) throw new InvalidError(`scopes is ${describe(scopes)}; give a list of names: ['app', ..., 'request']`)
  const names = [...scopes]
  const isRight = names.length >= 2 && names[0] === APP && names.at(-1) === 'request' && new Set(names).size === names.length
  if (!isRight)
    throw new InvalidError(`scopes are ${JSON.stringify(names)}; list each once, from the longest to the shortest: 'app', ..., 'request'`)
  if (names.some(name => name === TRANSIENT || name === INHERITED || !/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(name))) {
    throw new InvalidError(`scopes are ${JSON.stringify(names)}; use names other than 'transient' and 'inherited'`)
  }
  return names
}
