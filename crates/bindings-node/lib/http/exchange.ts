/**
 * One request and its response, between the engine and what the user sees of them.
 *
 * The fields of the request's head lie in a string that all requests of a turn share; they are cut out when something asks for them.
 *
 * An exchange is an asynchronous resource: what a handler puts into an `AsyncLocalStorage`, `enterWith` included, stays with its request.
 */

import { AsyncResource } from 'node:async_hooks'

import { ClientDisconnected, ClosedError, ConflictError, StaleError } from '../errors'
import { toHostloopError } from '../typed'
import type { NativeHost, Piece, Respond } from '../native'
import { apart } from './rethrow'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE'] as const
const OTHER_METHOD = 15
const HTTP_10 = 1 << 4
const PEER_IN_TEXT = 1 << 5
const HAS_BODY = 1 << 6
const PARAMS_SHIFT = 8

/** Why a request ended. */
export type Cause = 'done' | 'cancelled' | 'disconnected' | 'timed out' | 'refused' | 'drained'

export const CAUSES: readonly Cause[] = ['done', 'cancelled', 'disconnected', 'timed out', 'refused', 'drained']

/** A client's address. */
export interface Peer {
  /** The IPv4 or IPv6 address. */
  address: string
  port: number
}

/** Is told why a request ended, and what its handler or its stream had thrown. */
export type WhenEnded = (cause: Cause, failure: unknown) => void

type Settle<T> = { resolve: (value: T) => void; reject: (error: unknown) => void }

/** What an exchange is one of. */
export interface Engine {
  readonly host: NativeHost
  readonly respond: Respond
  /** Whether nothing else came with the last thing that did: what is answered now is sent at once. */
  readonly isQuiet: boolean
}

export class Exchange extends AsyncResource {
  /** Why it has ended; nothing as long as it has not. */
  cause: Cause | undefined = undefined
  /** Whether the start of a response was given. */
  isAnswered = false
  /** What its handler threw, or the source of its response. */
  failure: unknown = undefined
  /** Whether the engine has refused a verb, since it has ended this. Its last event is on the way then. */
  private isGone = false
  private fields: string[] | undefined = undefined
  private reading: Settle<Buffer | null> | undefined = undefined
  private writing: (() => void) | undefined = undefined
  private listeners: WhenEnded[] | undefined = undefined

  constructor(
    private readonly engine: Engine,
    readonly low: number,
    readonly high: number,
    private readonly text: string,
    private readonly start: number,
    private readonly end: number,
    private readonly flags: number,
    private readonly address: number,
    private readonly port: number,
  ) {
    super('HOSTLOOPREQUEST')
  }

  /** Whether it has ended, though why may not have been told yet. Nobody is left to be answered then. */
  get isOver(): boolean {
    return this.cause !== undefined || this.isGone
  }

  private get host(): NativeHost {
    return this.engine.host
  }

  get method(): string {
    const known = this.flags & OTHER_METHOD
    return known === OTHER_METHOD ? this.lines[0]! : METHODS[known]!
  }

  get httpVersion(): '1.0' | '1.1' {
    return this.flags & HTTP_10 ? '1.0' : '1.1'
  }

  /** The path and query as they were sent. */
  get target(): string {
    return this.lines[this.params + this.leading]!
  }

  /** The number of parameters of the route. */
  get params(): number {
    return this.flags >>> PARAMS_SHIFT
  }

  /** A parameter of the route by its place, percent-encoded as it came. */
  param(index: number): string {
    return this.lines[this.leading + index]!
  }

  /** Names and values of the header fields in turn; names in lower case, values read as Latin-1. They begin at `firstHeader`. */
  get lines(): string[] {
    return (this.fields ??= this.text.slice(this.start, this.end).split('\n'))
  }

  get firstHeader(): number {
    return this.leading + this.params + 1
  }

  /** The client's address. Unix sockets and connections in memory have none. */
  get peer(): Peer | undefined {
    if (this.flags & PEER_IN_TEXT) {
      return { address: this.lines[(this.flags & OTHER_METHOD) === OTHER_METHOD ? 1 : 0]!, port: this.port }
    }
    const bits = this.address
    if (bits === 0 && this.port === 0) return undefined
    return { address: `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`, port: this.port }
  }

  /** Whether the request came with its whole body, as small ones do. */
  get hasBody(): boolean {
    return (this.flags & HAS_BODY) !== 0
  }

  /** Takes the body that the request came with. */
  takeBody(): Buffer {
    return this.taken(() => this.host.takeBody(this.low, this.high))
  }

  /** Takes the body that the request came with, as UTF-8. What is not becomes U+FFFD. */
  takeText(): string {
    return this.taken(() => this.host.takeBodyText(this.low, this.high))
  }

  /** Lines before the parameters. */
  private get leading(): number {
    return ((this.flags & OTHER_METHOD) === OTHER_METHOD ? 1 : 0) + (this.flags & PEER_IN_TEXT ? 1 : 0)
  }

  /** Reads the next bytes of the body; null is its end. Rejects with `ClientDisconnected` if the request ends before. */
  read(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      if (this.cause !== undefined) return reject(ended(this.cause))
      if (this.hasBody) return resolve(this.takeOnce())
      try {
        this.host.read(this.low, this.high, 0)
      } catch (error) {
        return reject(this.refused(error))
      }
      this.reading = { resolve, reject }
    })
  }

  // Each throws typed errors. There is no closure, for what is done once a request.

  respond(status: number, media: number, headers: string | undefined, body: Piece | undefined): void {
    this.begin()
    try {
      this.engine.respond(this.low, this.high, status, media, headers, body)
      // Else the client would wait for what the handler does afterwards.
      if (this.engine.isQuiet) this.host.flush()
    } catch (error) {
      throw this.refused(error)
    }
    this.isAnswered = true
  }

  respondStreamed(status: number, media: number, headers: string | undefined): void {
    this.begin()
    this.verb(() => this.host.respondStreamed(this.low, this.high, status, media, headers))
    this.isAnswered = true
  }

  /** Queues a piece of a streamed response. Returns false if there is no room, until `drained` is called back. */
  write(piece: Piece): boolean {
    try {
      return this.host.write(this.low, this.high, piece, 0)
    } catch (error) {
      throw this.refused(error)
    }
  }

  /** Ends a streamed response. Trailers are names and values in turn, a line each. */
  finish(trailers?: string): void {
    this.verb(() => this.host.finish(this.low, this.high, trailers))
  }

  /** Gives the request up: its connection is closed, so that the client sees an incomplete response. */
  abort(): void {
    if (this.isOver) return
    try {
      this.host.abort(this.low, this.high)
    } catch {
      this.isGone = true
    }
  }

  /** Calls back once something that was written has left the queue, or the request has ended. */
  onDrained(callback: () => void): void {
    this.writing = callback
  }

  /** Calls back when the request has ended: its response has left, or never will. */
  onEnded(callback: WhenEnded): void {
    if (this.cause !== undefined) callback(this.cause, this.failure)
    else (this.listeners ??= []).push(callback)
  }

  /** The body that the request came with, and after it the end. */
  private takeOnce(): Buffer | null {
    const bytes = this.takeBody()
    return bytes.length === 0 ? null : bytes
  }

  private taken<T>(take: () => T): T {
    if (this.cause !== undefined) throw ended(this.cause)
    return this.verb(take)
  }

  private verb<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      throw this.refused(error)
    }
  }

  /** Makes the typed error of a verb's. */
  private refused(thrown: unknown): unknown {
    const error = toHostloopError(thrown)
    if (error instanceof StaleError || error instanceof ClosedError) this.isGone = true
    return error
  }

  private begin(): void {
    if (this.isAnswered) throw new ConflictError('this request has been answered; a request has one response')
  }

  // What the engine tells.

  arrived(bytes: Buffer | null): void {
    const reading = this.reading
    this.reading = undefined
    reading?.resolve(bytes)
  }

  aborted(cause: Cause = 'disconnected'): void {
    const reading = this.reading
    this.reading = undefined
    reading?.reject(ended(cause))
  }

  written(): void {
    const writing = this.writing
    this.writing = undefined
    writing?.()
  }

  ended(cause: Cause): void {
    this.cause = cause
    this.aborted(cause)
    if (this.writing !== undefined) apart(() => this.written())
    if (this.listeners === undefined) return
    for (const listener of this.listeners) apart(() => this.runInAsyncScope(listener, undefined, cause, this.failure))
  }
}

/** The error of a body or a stream whose request has ended. */
export function ended(cause: Cause): ClientDisconnected {
  return new ClientDisconnected(`the request ended before its body did: ${cause}`)
}
