/**
 * The driver: takes the run's commands, has each done, and answers it.
 *
 *     commands --> construct, finalize, startHook, runWorker, drain, swap, ... --> complete --> commands ...
 *
 * What can be done at once (a factory that returns no promise) is answered before the next command is looked at. Functions of the user's are
 * called in the asynchronous context in which the application was started, whoever has brought the command about.
 *
 * Functions of the user's fail in their commands, and the run says what follows. What is thrown besides is a defect of hostloop's: it fails
 * the command, stops everything, and is thrown in the end. Nobody is left to wait for ever.
 */

import { AsyncResource } from 'node:async_hooks'

import { FatalError } from '../errors'
import { typed } from '../typed'
import { guarded, type Logger } from '../logger'
import { report } from './events'
import { Errors } from './failures'
import type { Activity } from './handles'
import { isPromise } from './held'
import { type Command, type ManualClock, type NativeEvent, type Outcome, Run } from './native'
import { type Lifetimes, nativeLifetimes } from './options'
import { LONGEST } from './wait'
import type { Wiring } from './wiring'

/** One life of an application: what it is made of, and how. */
export interface Life {
  readonly wiring: Wiring
  readonly lifetimes: Lifetimes
  /** Seconds for requests that are under way when the stop begins. */
  readonly drainTimeout: number | null
  readonly logger: Logger
  /** The clock of a test. */
  readonly clock?: ManualClock | undefined
  /** Is told of each event, for tests. */
  readonly observe?: ((event: NativeEvent) => void) | undefined
}

/** What can be told that it is cancelled, and ends by that. */
export type Cancellable = Pick<Activity, 'cancel' | 'isEndedBy'>

export abstract class Driver {
  readonly wiring: Wiring
  readonly lifetimes: Lifetimes
  readonly logger: Logger
  readonly run: Run
  readonly errors = new Errors()
  /** What runs, by the command that each answers. */
  protected readonly activities = new Map<bigint, Cancellable>()
  /** Whether something must end before further commands are done, and events told. */
  protected isHeldUp = false
  /** A defect of hostloop's: everything stops first, then it is thrown. */
  protected defect: { readonly error: unknown } | undefined
  readonly #life: Life
  readonly #context = new AsyncResource('HOSTLOOP')
  readonly #queue: Command[] = []
  readonly #events: NativeEvent[] = []
  /** Commands in the queue that are cancelled already. */
  readonly #cancelled = new Set<bigint>()
  #isPumping = false
  #isAwake = false
  #timer: NodeJS.Timeout | undefined

  constructor(life: Life) {
    this.#life = life
    this.wiring = life.wiring
    this.lifetimes = life.lifetimes
    this.logger = guarded(life.logger)
    this.run = new Run(life.wiring.plan, nativeLifetimes(life.lifetimes, life.drainTimeout), life.clock)
  }

  /** Does one command. */
  protected abstract obey(command: Command): void

  /** Takes note of an event. */
  protected abstract happened(event: NativeEvent): void

  /** Ends everything without the run, which cannot be asked any more. */
  protected abstract giveUp(error: unknown): void

  /** Whether everything has ended, so that there is nothing to wait for. */
  abstract get isOver(): boolean

  /** Begins to stop; the first code holds. */
  stop(code = 0): void {
    this.run.stop(code)
    this.wake()
  }

  // Taking commands.

  /** Has commands taken soon. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    queueMicrotask(() => this.pump())
  }

  /** Does everything that the run asks for, until it waits for something. */
  pump(): void {
    this.#isAwake = false
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      this.inContext(() => this.#work())
    } catch (error) {
      this.giveUp(error)
    } finally {
      this.#isPumping = false
    }
  }

  /** Calls a function where the application was started. */
  protected inContext<T>(call: () => T): T {
    return this.#context.runInAsyncScope(call)
  }

  #work(): void {
    while (!this.isHeldUp && (this.#pull() || this.#poll())) {
      while (this.#queue.length > 0 && !this.isHeldUp) {
        this.#obey(this.#queue.shift()!)
        this.#pull()
      }
    }
  }

  /** Takes the commands and events that there are, and returns whether there is something to do. */
  #pull(): boolean {
    for (const command of this.run.takeCommands()) {
      this.#queue.push(command)
      if (command.name === 'cancel') this.#cancelled.add(command.op)
    }
    this.#events.push(...this.run.takeEvents())
    while (this.#events.length > 0 && !this.isHeldUp) this.#tell(this.#events.shift()!)
    return this.#queue.length > 0
  }

  #obey(command: Command): void {
    try {
      this.obey(command)
    } catch (error) {
      // Nothing comes after it that could tell of this.
      if (command.name === 'stopped') throw error
      this.broke(error, `command ${command.name}`)
      if (isAnswered(command)) this.failed(command.op, error)
    }
  }

  #tell(event: NativeEvent): void {
    try {
      try {
        report(event, this.wiring, this.logger)
        this.#life.observe?.(event)
      } finally {
        this.happened(event)
      }
    } catch (error) {
      this.broke(error, `event ${event.kind}`)
    }
  }

  /** Lets deadlines pass, and waits for the next. Returns whether that gave something to do. */
  #poll(): boolean {
    const delay = this.run.poll()
    this.cancelTimer()
    if (this.#pull()) return true
    if (delay !== null && delay !== undefined && this.#life.clock === undefined && !this.isOver) {
      this.#timer = setTimeout(() => this.pump(), Math.min(Math.ceil(delay * 1000), LONGEST))
    }
    return false
  }

  protected cancelTimer(): void {
    clearTimeout(this.#timer)
  }

  /** Stops everything because of what no function of the user's has thrown, and has it thrown in the end. */
  protected broke(error: unknown, where: string): void {
    this.logger.error(`hostloop: the ${where} of hostloop itself failed, and the application stops; please report this`, error)
    this.defect ??= { error }
    this.stop(1)
  }

  // Answering them.

  /** Answers a command, and returns whether it was still waited for. */
  complete(op: bigint, outcome: Outcome, error?: { readonly is: unknown }): boolean {
    this.activities.delete(op)
    const isAwaited = typed(() => this.run.complete(op, outcome, error === undefined ? 0 : this.errors.keep(error.is)))
    if (!this.#isPumping) this.wake()
    return isAwaited
  }

  /** Answers a command that could not be done. */
  failed(op: bigint, error: unknown): void {
    if (this.activities.get(op)?.isEndedBy(error)) this.complete(op, 'cancelled')
    else if (!this.complete(op, error instanceof FatalError ? 'fatal' : 'failed', { is: error })) {
      this.logger.error('hostloop: what was abandoned has failed', error)
    }
  }

  /** Makes a call, waits for what it returns if that is a promise, and answers its command. */
  protected call(op: bigint, activity: Cancellable, call: () => unknown): void {
    if (this.isDropped(op)) return
    this.activities.set(op, activity)
    this.run.began(op)
    this.answer(op, call)
  }

  /** Makes a call, and answers a command when it has ended. */
  protected answer(op: bigint, call: () => unknown): void {
    let result
    try {
      result = call()
    } catch (error) {
      return this.failed(op, error)
    }
    if (isPromise(result))
      result.then(
        () => void this.complete(op, 'done'),
        error => this.failed(op, error),
      )
    else this.complete(op, 'done')
  }

  /** Whether a command that has not begun is cancelled already; if so, answers it. */
  protected isDropped(op: bigint): boolean {
    if (!this.#cancelled.has(op)) return false
    this.complete(op, 'cancelled')
    return true
  }

  protected cancel(op: bigint, why: string): void {
    this.#cancelled.delete(op)
    this.activities.get(op)?.cancel(new DOMException(WHY[why] ?? why, 'AbortError'))
  }

  protected abandon(op: bigint): void {
    this.activities.delete(op)
  }

  protected exit(code: number): void {
    this.logger.error('hostloop: a third signal: the process ends now')
    process.exit(code)
  }
}

type Answered = Extract<Command, { op: bigint }>

/** Whether the run waits for an answer. */
function isAnswered(command: Command): command is Answered {
  return 'op' in command && !['stopWorker', 'cancel', 'abandon'].includes(command.name)
}

/** What the reasons of cancellations say. */
const WHY: Record<string, string> = {
  timeout: 'it took longer than it may',
  shutdown: 'the application stops',
  sibling: 'another step of the start has failed',
  unwanted: 'nobody waits for it any more',
  watchdog: 'it was silent for longer than its watchdog allows',
}
