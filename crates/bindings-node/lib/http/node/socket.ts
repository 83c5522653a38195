/**
 * What a request and its response see as their socket.
 *
 * The engine has the real one, which may serve many requests; this is made for each of them, and ends with it if the client leaves. It
 * brings the body in when the request asks for it, and the response out.
 */

import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'

import type { Cause, Exchange } from '../exchange'
import { apart } from '../rethrow'
import { Endpoint } from './endpoint'
import { aborted, failure } from './failures'
import { IdleTimer } from './idle'
import { kNeedDrain, type Message, type Reply } from './internals'
import type { NodeServer } from './server'

/**
 * Milliseconds that a response which has ended waits for a body that is still being taken, while none of it comes or is asked for.
 *
 * The engine ends a body with its response; a client may wait for the whole response before it sends on.
 */
const STALLED = 1000

export class Socket extends Endpoint {
  /** Whether `close` was emitted. */
  closed = false
  /** The response, until it has left. */
  _httpMessage: Reply | null = null
  request!: Message
  private isReading = false
  private idle: IdleTimer | undefined = undefined
  /** Runs while the response waits for the body. */
  private stall: IdleTimer | undefined = undefined
  /** Where the response was ended, for those who hear that it has left. */
  private scope: AsyncResource | undefined = undefined

  constructor(exchange: Exchange, server: NodeServer) {
    super(exchange, server)
    exchange.onEnded(cause => this.ended(cause))
  }

  get timeout(): number {
    return this.idle?.milliseconds ?? 0
  }

  /** Emits `timeout` when nothing was read or written for a while. Unless the request, the response or the server hears it, that closes. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (callback) this.once('timeout', callback)
    this.idle?.stop()
    this.idle = milliseconds > 0 ? new IdleTimer(milliseconds, () => this.timedOut()) : undefined
    return this
  }

  /** Always throws: the connection is the engine's. */
  write(): never {
    throw failure(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'the connection is written by the engine; use the response')
  }

  end(): this {
    return this.destroy()
  }

  destroySoon(): this {
    return this.destroy()
  }

  /** Closes the connection, unless the engine has the whole response already. */
  destroy(error?: Error | null): this {
    if (this.destroyed) return this
    this.destroyed = true
    if (!this.isOver) this.exchange.abort()
    process.nextTick(() => this.lost(error))
    return this
  }

  resetAndDestroy(): this {
    return this.destroy()
  }

  // The request's body.

  /** Brings the next bytes to the request, which asks for them so. */
  resume(): this {
    if (this.isReading || this.request.complete) return this
    if (!this.hasBody || this.exchange.cause === 'done') this.bodyEnded()
    else this.read()
    return this
  }

  private read(): void {
    this.isReading = true
    this.stall?.touch()
    this.exchange.read().then(
      bytes => apart(() => this.arrived(bytes)),
      // Why it cannot be read is told by the end of the exchange.
      () => (this.isReading = false),
    )
  }

  private arrived(bytes: Buffer | null): void {
    this.isReading = false
    this.idle?.touch()
    this.stall?.touch()
    if (bytes === null) this.bodyEnded()
    else this.request.push(bytes)
  }

  private bodyEnded(): void {
    this.request.complete = true
    this.request.push(null)
  }

  private get hasBody(): boolean {
    const { headers } = this.request
    return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  }

  /** Whether somebody takes the body as it comes. What is paused, or thrown away, nobody takes. */
  private get isBodyTaken(): boolean {
    const { request } = this
    const { pipes, readableListening } = request._readableState
    const isTaken = pipes.length > 0 || readableListening || (request.readableFlowing === true && request.listenerCount('data') > 0)
    return isTaken && !request.complete && !request.destroyed && this.hasBody
  }

  // The response.

  /** Takes the end of the response. As long as the request's body goes on being taken, the exchange stays open for it. */
  answered(trailers: string | undefined): void {
    this.idle?.touch()
    if (this.isHeard) this.scope = new AsyncResource('HOSTLOOPRESPONSE')
    const isHeld = this.isBodyTaken
    if (isHeld) this.hold()
    this.complete(trailers, isHeld)
  }

  private hold(): void {
    this.stall = new IdleTimer(STALLED, () => this.release())
    this.request.once('close', () => this.release())
  }

  override release(): void {
    this.stall?.stop()
    super.release()
  }

  /** Whether somebody may hear that the response has left. */
  private get isHeard(): boolean {
    return this.request._eventsCount > 0 || (this._httpMessage?._eventsCount ?? 0) > 0
  }

  protected override moved(): void {
    this.idle?.touch()
  }

  protected override drained(): void {
    // How long the client may take for what the engine has, the engine sees to.
    if (this.isOver) this.idle?.stop()
    else this.idle?.touch()
    const reply = this._httpMessage
    if (reply === null || !reply[kNeedDrain] || reply.finished) return
    reply[kNeedDrain] = false
    apart(() => reply.emit('drain'))
  }

  protected override refused(error: Error): void {
    if (this._httpMessage !== null && this._httpMessage.listenerCount('error') > 0) this._httpMessage.emit('error', error)
    else process.emitWarning(error)
    this.destroy(error)
  }

  // How it ends.

  private ended(cause: Cause): void {
    const end = cause === 'done' ? this.sent : this.lost
    if (this.scope === undefined) end.call(this)
    else this.scope.runInAsyncScope(end, this)
  }

  protected override sent(): boolean {
    if (!super.sent()) return false
    this.left()
    return true
  }

  /** The response has left. */
  private left(): void {
    const reply = this._httpMessage
    if (reply === null) return
    this.idle?.stop()
    this.settleRequest()
    this._httpMessage = null
    reply.socket = null
    close(reply)
  }

  /** Ends a request that nobody has read to its end. What is left of its body is not for us any more. */
  private settleRequest(): void {
    const { request } = this
    if (request.complete || request.destroyed) return
    if (request._consuming) {
      this.destroyed = true
      request.destroy(aborted())
    } else if (request._eventsCount > 0) {
      request._dump()
      this.bodyEnded()
    } else endSilently(request)
  }

  /** The client has left, or the response was given up. */
  private lost(error?: Error | null): void {
    if (this.closed) return
    this.closed = true
    this.destroyed = true
    this.readable = false
    this.writable = false
    this.idle?.stop()
    this.stall?.stop()
    if (this.lose(error ?? aborted())) apart(() => this.left())
    else {
      if (!this.request.destroyed) this.request.destroy(aborted())
      if (this._httpMessage !== null) close(this._httpMessage)
    }
    if (error && this.listenerCount('error') > 0) this.emit('error', error)
    this.emit('close', Boolean(error))
  }

  private timedOut(): void {
    const { request, _httpMessage: reply } = this
    this.emit('timeout')
    const isHeard = [!request.complete && request.emit('timeout', this), reply?.emit('timeout', this), this.server.emit('timeout', this)]
    if (!isHeard.includes(true)) this.destroy()
  }
}

function close(reply: Reply): void {
  if (reply._closed) return
  reply.destroyed = true
  reply._closed = true
  ;(reply as unknown as ServerResponse).emit('close')
}

/** The same as reading to the end, where nobody listens to it. */
function endSilently(request: Message): void {
  const state = request._readableState
  request._dumped = true
  request.complete = true
  request.destroyed = true
  state.ended = true
  state.endEmitted = true
  state.closed = true
}
