/**
 * The container: one life of an application.
 *
 * The native run decides what is done when; it calls nothing and knows numbers alone. The container does it, with the functions and objects
 * that the numbers stand for: `driver.ts` takes commands and answers them, `values.ts` makes values and takes them back, `activities.ts`
 * runs hooks, workers and the listener. Here is what goes beyond one command: the start, the stop and the reload.
 */

import { AddressError, ClosedError, StoppedError } from '../errors'
import { typed } from '../typed'
import { Activities, type Gate } from './activities'
import { Closing } from './closing'
import type { Life } from './driver'
import { asOne } from './failures'
import { Generation } from './generation'
import { NO_ERROR } from './held'
import { Ticket } from './joined'
import type { Command, CommandOf, Failure, NativeEvent } from './native'
import type { Scope } from './scope'
import { UNSET } from './values'
import { within } from './wait'

export class Container extends Activities {
  /** Scopes that are open, and inside no other. */
  readonly scopes = new Set<Scope>()
  /** The values of a scope in which nothing was made. */
  readonly blank: readonly unknown[]
  isClosing = false
  /** What is used from now on. */
  generation: Generation
  #code = 0
  #signals = 0
  readonly #up = new Ticket()
  readonly #down = new Ticket()
  /** The generation that was just replaced. */
  #leaving: Generation | undefined
  readonly #reloads = new Map<number, Ticket[]>()
  #isGivenUp = false
  /** When the stop began, in seconds of the run's clock. */
  #stoppingSince = 0
  /** What closes the scopes that are still open. */
  #closing: Closing | undefined

  constructor(gate: Gate, life: Life) {
    super(gate, life)
    this.blank = Array<unknown>(life.wiring.places.size).fill(UNSET)
    this.generation = new Generation(this)
  }

  // The start and the stop.

  /** Builds and starts everything. What fails undoes all of it, and is thrown. */
  async start(): Promise<void> {
    typed(() => this.run.start())
    this.wake()
    await this.#up.promise
    if (this.isOver) {
      await this.#down.promise
      throw new StoppedError(this.exitCode)
    }
  }

  /** Ends when everything has started, or has been undone. */
  async up(): Promise<void> {
    await this.#up.promise
  }

  /** What the process should end with: the code of `stop`. A signal is the ordinary way to end. */
  get exitCode(): number {
    return this.#signals > 0 ? 0 : this.#code
  }

  /** Whether everything has ended. */
  get isOver(): boolean {
    return this.#down.settled !== undefined
  }

  /** How often it was told to stop by a signal. */
  get signals(): number {
    return this.#signals
  }

  /** Takes a signal: the first stops, the second cuts the stop short, the third ends the process. */
  signal(number: number): void {
    this.#signals += 1
    this.run.signal(number)
    if (this.#signals === 2) this.#closing?.endWithin(this.lifetimes.cutShort)
    else if (this.#signals > 2) this.#closing?.end()
    this.wake()
  }

  /** Ends when everything has ended, by what has failed. */
  async down(): Promise<void> {
    await this.#down.promise
  }

  protected started(): void {
    this.#up.resolve(undefined)
  }

  protected stopped(code: number, failures: readonly Failure[]): void {
    this.#end(
      code,
      failures.map(failure => this.#failed(failure)),
    )
  }

  /** What to throw for a step. An address that cannot be listened on is told as such, as programs ask for its code. */
  #failed(failure: Failure): unknown {
    const error = this.errors.of(failure)
    return error instanceof AddressError && this.wiring.node(failure.node).kind === 'listener' ? error : this.errors.ofStep(failure)
  }

  /** Tells all who wait that everything has ended. */
  #end(code: number, failures: readonly unknown[]): void {
    this.#code = code
    this.isClosing = true
    this.cancelTimer()
    const errors = this.defect === undefined ? failures : [...failures, this.defect.error]
    const word = this.#up.settled === undefined ? 'start' : 'stop'
    if (errors.length === 0) this.#down.resolve(undefined)
    else this.#down.reject(asOne(errors, `the application did not ${word} well`))
    this.#up.resolve(undefined)
  }

  protected giveUp(error: unknown): void {
    if (this.#isGivenUp || this.isOver) {
      this.logger.error('hostloop: hostloop itself failed after the end', error)
      return
    }
    this.#isGivenUp = this.isHeldUp = this.isClosing = true
    this.defect ??= { error }
    this.logger.error('hostloop: hostloop itself failed, and everything ends without order; please report this', error)
    void this.#abort()
  }

  /** Ends what runs and takes back what is held, the last first, whatever fails. */
  async #abort(): Promise<void> {
    for (const activity of this.activities.values()) activity.cancel(new DOMException('the application has failed', 'AbortError'))
    for (const { exit } of [...this.held.values()].reverse()) {
      const leaving = (async () => exit.leave(NO_ERROR))()
      await within(leaving, this.lifetimes.stopStepTimeout).catch(error => this.logger.error('hostloop: a teardown failed', error))
    }
    const waiting = [...this.unanswered(), ...[...this.#reloads.values()].flat()]
    for (const ticket of waiting) ticket.reject(new ClosedError('the application has failed and ended; its log says why'))
    this.#end(1, [])
  }

  // Scopes that are still open when values are taken back.

  protected happened({ at, kind, detail }: NativeEvent): void {
    if (kind !== 'phase') return
    if (detail === 'stopping') this.#stoppingSince = at
    if (detail !== 'closing') return
    this.isClosing = true
    if (this.scopes.size > 0) this.#closeScopes(at - this.#stoppingSince)
  }

  /** Closes what was made in scopes, before anything that it was made of. */
  #closeScopes(stoppingFor: number): void {
    this.isHeldUp = true
    const { stopStepTimeout, stopTimeout, grace } = this.lifetimes
    const left = (stopTimeout ?? Number.POSITIVE_INFINITY) - grace - stoppingFor
    this.#closing = new Closing(this.scopes, Math.min(stopStepTimeout ?? left, Math.max(left, 0)), this.logger, () => {
      if (this.#isGivenUp) return
      this.isHeldUp = false
      this.wake()
    })
  }

  // Reloads.

  get isReloading(): boolean {
    return this.#reloads.size > 0
  }

  /** Makes new values of nodes and of all that holds them, and swaps them in. What fails is thrown, and nothing is swapped. */
  async reload(nodes: number[]): Promise<void> {
    const generation = typed(() => this.run.reload(nodes))
    this.known.clear()
    const ticket = new Ticket()
    this.#reloads.set(generation, [...(this.#reloads.get(generation) ?? []), ticket])
    this.wake()
    await ticket.promise
  }

  protected reloaded(generation: number, failure: Failure | undefined): void {
    for (const [number, tickets] of this.#reloads) {
      if (number > generation) continue
      this.#reloads.delete(number)
      for (const ticket of tickets) {
        if (failure === undefined) ticket.resolve(undefined)
        else ticket.reject(this.errors.ofStep(failure))
      }
    }
  }

  #swap(pairs: readonly number[]): void {
    this.generation.keep(this.current())
    this.replace(pairs)
    this.#leaving = this.generation
    this.generation = new Generation(this)
    this.gate.swap()
  }

  /** Answers when the last who uses the generation that was replaced has left. */
  #awaitUsers(op: bigint): void {
    const leaving = this.#leaving
    this.#leaving = undefined
    if (leaving === undefined) this.complete(op, 'done')
    else leaving.whenLeft(() => void this.complete(op, 'done'))
  }

  // Commands.

  protected obey(command: Command): void {
    switch (command.name) {
      case 'construct':
        return this.construct(command)
      case 'finalize':
        return this.finalize(command)
      case 'forget':
        return this.forget(command.instances)
      case 'startHook':
      case 'stopHook':
        return this.runHook(command)
      case 'runWorker':
        return this.runWorker(command)
      case 'stopWorker':
        return this.stopWorker(command.op)
      case 'listen':
        return this.listen(command.op)
      case 'drain':
        return this.drain(command)
      case 'cancel':
        return this.cancel(command.op, command.why)
      case 'abandon':
        return this.abandon(command.op)
      default:
        return this.#obeyMore(command)
    }
  }

  #obeyMore(command: Exclude<Command, CommandOf<'construct'>>): void {
    switch (command.name) {
      case 'settle':
        return this.settle(command)
      case 'awaitUsers':
        return this.#awaitUsers(command.op)
      case 'swap':
        return this.#swap(command.instances)
      case 'reloaded':
        return this.reloaded(command.generation, command.failure)
      case 'started':
        return this.started()
      case 'stopped':
        return this.stopped(command.code, command.failures)
      case 'exit':
        return this.exit(command.code)
    }
  }
}
