/** What hostloop gives to factories, hooks and workers. */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import { checkOptions, checkSeconds } from './options'
import { calledAt, quoted } from './source'
import { LONGEST } from './wait'

/** Whether something is still wanted: its signal is made when somebody looks at it. */
export class Activity {
  #controller: AbortController | undefined
  #reason: { readonly is: unknown } | undefined

  /** Aborted when it is cancelled. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason.is)
    }
    return this.#controller.signal
  }

  get isCancelled(): boolean {
    return this.#reason !== undefined
  }

  cancel(reason: unknown): void {
    if (this.#reason !== undefined) return
    this.#reason = { is: reason }
    this.#controller?.abort(reason)
  }

  /** Whether this is how something ends that has heard of its cancellation. */
  isEndedBy(error: unknown): boolean {
    if (this.#reason === undefined) return false
    return error === this.#reason.is || (error as { name?: unknown } | null | undefined)?.name === 'AbortError'
  }
}

/** What a hook is given, after what it asked for. */
export interface HookContext {
  /** Aborted when the hook takes longer than it may, or its result is no longer wanted. */
  readonly signal: AbortSignal
}

/** A start and a stop. Each may return a promise. */
export interface HookCalls<A extends unknown[] = []> {
  /** Called when the application starts. */
  onStart?: (...args: [...A, HookContext]) => unknown
  /** Called when it stops, if the start has ended well. */
  onStop?: (...args: [...A, HookContext]) => unknown
}

/** How a hook runs. Times are seconds. */
export interface HookOptions {
  /** For the start. Default: `lifetimes.stepTimeout`. */
  timeout?: number | null
  /** For the stop. Default: `lifetimes.stopStepTimeout`. */
  stopTimeout?: number | null
  /** What texts call it. Default: the name of its function. */
  name?: string
}

/** What a `Lifecycle` hands its hooks to. */
export interface AddsHooks {
  addHook(op: bigint, hook: HookCalls & HookOptions & { label: string; source: string }): void
}

/**
 * Lets a factory add hooks of its own, and tells it when it is cancelled. Ask for one as for anything else:
 *
 * ```js
 * app.provide(Consumer, [Queue, Lifecycle], (queue, lifecycle) => {
 *   const consumer = new Consumer(queue)
 *   lifecycle.hook({ onStart: () => consumer.subscribe(), onStop: () => consumer.unsubscribe(), timeout: 5 })
 *   return consumer
 * })
 * ```
 */
export class Lifecycle {
  readonly #adder: AddsHooks
  readonly #op: bigint
  readonly #activity: Activity

  /** @internal */
  constructor(adder: AddsHooks, op: bigint, activity: Activity) {
    this.#adder = adder
    this.#op = op
    this.#activity = activity
  }

  /** Aborted when making the value, or its teardown, takes longer than it may, or the value is no longer wanted. */
  get signal(): AbortSignal {
    return this.#activity.signal
  }

  /**
   * Has these called when the application starts and stops, with its node's level.
   *
   * @throws ConflictError once the application starts: hooks are added while values are made.
   */
  hook(hook: HookCalls & HookOptions): void {
    const source = calledAt(this.hook)
    this.#adder.addHook(this.#op, { ...hook, label: labelOfHook(hook, source, HOOK_OPTIONS), source })
  }
}

/** Waits this many milliseconds, or until a signal is aborted. */
function passed(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(done, milliseconds)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}

/** What a hook may have, and one that is declared has `after` besides. */
export const HOOK_OPTIONS = ['onStart', 'onStop', 'timeout', 'stopTimeout', 'name']

/** Checks a hook, and returns what it is called. */
export function labelOfHook(hook: HookCalls<never> & HookOptions, source: string, known: readonly string[]): string {
  const place = source === '' ? 'hook' : `hook (${source})`
  checkOptions(place, hook, known)
  const { onStart, onStop, name, timeout, stopTimeout } = hook
  for (const call of [onStart, onStop]) {
    if (call !== undefined && typeof call !== 'function')
      throw new InvalidError(`${place} has an onStart or onStop that cannot be called; give functions`)
  }
  const first = onStart ?? onStop
  if (first === undefined) throw new InvalidError(`${place} has neither onStart nor onStop; give it one of them`)
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw new InvalidError(`${place} has the name ${describe(name)}; use a text that is not empty`)
  const own = first.name.replace(/^bound /, '')
  const label = name ?? (own === '' || own === 'onStart' || own === 'onStop' ? 'hook' : own)
  checkSeconds(`hook: ${quoted(label, source)}: timeout`, timeout)
  checkSeconds(`hook: ${quoted(label, source)}: stopTimeout`, stopTimeout)
  return label
}

/** What a worker is given, after what it asked for. */
export interface WorkerContext {
  /** Aborted when the worker is to end. */
  readonly signal: AbortSignal
  /** Aborted when its time to end is over: what is still under way is about to be abandoned. */
  readonly deadline: AbortSignal
  /** How often the worker was run, this time included. */
  readonly attempt: number
  /** Says that the worker is ready: with `ready: true` the start waits until then. */
  ready(): void
  /** Says that the worker is alive, for `watchdog`. */
  tick(): void
  /** Waits this many seconds, from 0 on, or until the worker is to end. Returns whether it may go on. */
  sleep(seconds: number): Promise<boolean>
}

/** One run of a worker. */
export class WorkerHandle implements WorkerContext {
  readonly #stop = new Activity()
  readonly #end = new Activity()
  readonly #says: { ready: () => void; tick: () => void }

  constructor(
    readonly attempt: number,
    says: { ready: () => void; tick: () => void },
  ) {
    this.#says = says
    // They are taken apart in parameter lists.
    this.ready = this.ready.bind(this)
    this.tick = this.tick.bind(this)
    this.sleep = this.sleep.bind(this)
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get deadline(): AbortSignal {
    return this.#end.signal
  }

  ready(): void {
    this.#says.ready()
  }

  tick(): void {
    this.#says.tick()
  }

  async sleep(seconds: number): Promise<boolean> {
    if (typeof seconds !== 'number' || !(seconds >= 0))
      throw new InvalidError(`sleep is given ${describe(seconds)}; give it seconds from 0 on`)
    const { signal } = this
    if (signal.aborted) return false
    for (let left = seconds * 1000; left >= 0 && !signal.aborted; left -= LONGEST) await passed(Math.min(left, LONGEST), signal)
    return !signal.aborted
  }

  /** @internal Asks the worker to end. */
  stop(reason: unknown): void {
    this.#stop.cancel(reason)
  }

  /** @internal Says that it is abandoned soon. */
  cancel(reason: unknown): void {
    this.#stop.cancel(reason)
    this.#end.cancel(reason)
  }

  /** @internal */
  isEndedBy(error: unknown): boolean {
    return this.#stop.isEndedBy(error) || this.#end.isEndedBy(error)
  }
}
