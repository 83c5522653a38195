/**
 * What a response has written, on its way to the engine.
 *
 * Pieces are held while the output is corked, as Node corks a response from its first `write` to the end of the tick. A response that
 * ends meanwhile goes as a whole, with its length; any other is streamed, and what the engine has no room for waits here.
 */

import { AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'

import { StaleError } from '../../errors'
import { toHostloopError } from '../../typed'
import type { Piece } from '../../native'
import type { Exchange } from '../exchange'
import { apart } from '../rethrow'
import { join } from './fields'
import type { Callback } from './internals'

/** Several pieces go as one up to this many bytes. */
const TOGETHER = 64 * 1024

/** In the order in which they follow each other. */
const enum Stage {
  /** The head is not settled. */
  Open,
  /** The head is settled, and waits for what comes with it. */
  Held,
  Streaming,
  /** The engine has all of it. */
  Given,
  /** Nobody is there to take it. */
  Gone,
}

/** An emitter that costs nothing as long as nobody listens. */
const Emitter = function () {} as unknown as new () => EventEmitter
Emitter.prototype = EventEmitter.prototype

export abstract class Output extends Emitter {
  /** Bytes that the engine has not taken. */
  writableLength = 0
  /** How often it was corked. */
  writableCorked = 0
  private stage = Stage.Open
  private status = 0
  private lines: string | undefined = undefined
  /** What the head says of the body's length. */
  private length: number | null = null
  private trailers: string | undefined = undefined
  private pieces: Piece[] = []
  /** Who is told that all so far is the engine's; the last apart, since mostly there is no other. */
  private callbacks: Callback[] | undefined = undefined
  private lastCallback: Callback | undefined = undefined
  /** Emits `finish`, once. It is there from `end` on. */
  private finish: Callback | undefined = undefined
  /** `end` is under way: its last piece comes, then `complete`. */
  private isEnding = false
  private isComplete = false
  private isWaiting = false

  constructor(
    readonly exchange: Exchange,
    readonly writableHighWaterMark: number,
  ) {
    super()
  }

  /** Whether the engine has all of it, or nobody is there to take it. */
  get isOver(): boolean {
    return this.stage >= Stage.Given
  }

  /** Takes the head. */
  begin(status: number, lines: string | undefined, length: number | null): void {
    if (this.stage !== Stage.Open) return
    this.status = status
    this.lines = lines
    this.length = length
    this.stage = Stage.Held
  }

  /** Has the head sent before there is a body. */
  flushHead(): void {
    if (this.writableCorked === 0) this.flush()
  }

  /** Takes a piece of the body, and returns whether there is room for another. */
  take(piece: Piece, callback: Callback | null | undefined): boolean {
    if (callback) this.keep(callback)
    if (this.isOver) {
      this.tell()
      return true
    }
    if (piece.length > 0) {
      this.pieces.push(piece)
      this.writableLength += piece.length
      if (this.writableCorked === 0) this.flush()
    }
    return this.writableLength < this.writableHighWaterMark
  }

  cork(): void {
    this.writableCorked += 1
  }

  uncork(): void {
    if (this.writableCorked === 0) return
    this.writableCorked -= 1
    if (this.writableCorked === 0 && !this.isEnding) this.flush()
  }

  /** Takes the end. What `isHeld` stays open, whatever its length, until it is released. */
  complete(trailers: string | undefined, isHeld: boolean): void {
    this.finish = this.lastCallback
    this.lastCallback = undefined
    this.trailers = trailers
    this.writableCorked = 0
    if (isHeld) {
      this.length = null
      this.flush()
    } else this.release()
  }

  /** Lets a response that is complete end. */
  release(): void {
    if (this.isComplete) return
    this.isComplete = true
    if (this.exchange.cause === 'done') process.nextTick(() => this.sent())
    else this.flush()
  }

  /** The response has left. Emits `finish`, unless `end` is still to come. */
  protected sent(): boolean {
    this.stage = Stage.Given
    this.drop()
    if (this.isComplete) this.finished()
    return this.isComplete
  }

  /** Nobody is there to take anything any more. Returns whether it had ended, which `finish` is emitted for here too. */
  protected lose(error: Error): boolean {
    const hasEnded = this.finish !== undefined
    const callbacks = this.callbacks ?? []
    if (this.lastCallback !== undefined) callbacks.push(this.lastCallback)
    this.callbacks = this.lastCallback = undefined
    this.stage = Stage.Gone
    this.drop()
    for (const callback of callbacks) apart(() => callback(error))
    this.finished()
    return hasEnded
  }

  /** Everything so far is the engine's. */
  protected abstract drained(): void

  /** The client has taken something. */
  protected abstract moved(): void

  /** The engine refuses what was written. */
  protected abstract refused(error: Error): void

  private finished(): void {
    const { finish } = this
    this.finish = undefined
    if (finish !== undefined) apart(finish)
  }

  private keep(callback: Callback): void {
    if (this.lastCallback !== undefined) (this.callbacks ??= []).push(this.lastCallback)
    this.lastCallback = callback
  }

  private drop(): void {
    this.pieces = []
    this.writableLength = 0
  }

  private flush(): void {
    if (this.exchange.cause !== undefined || this.isWaiting) return
    try {
      if (this.stage === Stage.Held) this.start()
      else if (this.stage === Stage.Streaming) this.send()
    } catch (thrown) {
      const error = toHostloopError(thrown) as Error
      // What has ended is told of by its last event.
      if (error instanceof StaleError) return
      this.finish = undefined
      this.refused(error)
    }
  }

  private start(): void {
    const { exchange, status, length, pieces } = this
    const lines = length === null ? this.lines : join(this.lines, 'content-length', length)
    const isWhole = this.isComplete && this.trailers === undefined && (pieces.length < 2 || this.writableLength <= TOGETHER)
    if (isWhole) {
      exchange.respond(status, 0, lines, together(pieces))
      this.settle(Stage.Given)
    } else {
      exchange.respondStreamed(status, 0, lines)
      this.stage = Stage.Streaming
      this.send()
    }
  }

  private send(): void {
    const { pieces } = this
    let sent = 0
    while (sent < pieces.length && this.exchange.write(pieces[sent]!)) this.writableLength -= pieces[sent++]!.length
    if (sent < pieces.length) {
      pieces.splice(0, sent)
      this.wait()
    } else {
      if (this.isComplete) this.exchange.finish(this.trailers)
      this.settle(this.isComplete ? Stage.Given : Stage.Streaming)
    }
  }

  private wait(): void {
    this.isWaiting = true
    // Who is told then finds in an `AsyncLocalStorage` what is in it now.
    const scope = new AsyncResource('HOSTLOOPWRITE')
    this.exchange.onDrained(() => scope.runInAsyncScope(this.goOn, this))
  }

  private goOn(): void {
    this.isWaiting = false
    this.moved()
    this.flush()
  }

  private settle(stage: Stage): void {
    this.stage = stage
    this.drop()
    this.tell()
    this.drained()
  }

  private tell(): void {
    if (this.callbacks !== undefined) for (const callback of this.callbacks) process.nextTick(callback)
    if (this.lastCallback !== undefined) process.nextTick(this.lastCallback)
    this.callbacks = undefined
    this.lastCallback = undefined
  }

  /** `end` sets `_writableState.corked` before it uncorks for the last time. Nothing else does. */
  get _writableState(): { corked: number } {
    return this
  }

  get corked(): number {
    return this.writableCorked
  }

  set corked(count: number) {
    this.writableCorked = count
    this.isEnding = true
  }
}

function together(pieces: Piece[]): Piece | undefined {
  if (pieces.length < 2) return pieces[0]
  if (pieces.every(piece => typeof piece === 'string')) return pieces.join('')
  return Buffer.concat(pieces.map(piece => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
}
