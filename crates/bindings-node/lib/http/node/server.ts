/** A server for applications and frameworks that were written for `node:http`. */

import { EventEmitter } from 'node:events'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'

import { HttpEngine } from '../engine'
import { joinCluster } from './cluster'
import { dispatcher } from './dispatch'
import { failure } from './failures'
import { addressesOf, bind, choicesOf, isKnown, isWildcard, type ListenOptions, readPlace, splitAddress, wildcards } from './places'
import { highWaterMarkOf, type NodeServerOptions } from './settings'
import { Waits } from './waits'

/** What an application gives `createServer`. */
export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/**
 * What `createServer` makes. It has the methods, properties and events of `http.Server`, but for what is of connections rather than of
 * requests: `connection`, `clientError`, `connect`, `upgrade` and `dropRequest` are never emitted.
 */
export class NodeServer extends Waits implements AsyncDisposable {
  /** @internal */
  readonly highWaterMark: number
  /** @internal What sockets have as their local address, as far as it is known. */
  local: Partial<AddressInfo> = {}
  readonly #options: NodeServerOptions
  readonly #serve: ReturnType<typeof dispatcher>
  /** From `listen` to `close`. */
  #server: HttpEngine | undefined
  /** Those that were closed, and whose last connections have not ended. */
  readonly #draining = new Set<HttpEngine>()
  /** The name whose addresses are being looked up. */
  #sought: ListenOptions | undefined
  #keepsAlive = true
  /** Has the signal of `listen` not close any more. */
  #unhear: (() => void) | undefined

  /** @internal */
  constructor(options: NodeServerOptions, listener?: RequestListener) {
    super(options)
    this.#options = options
    this.highWaterMark = highWaterMarkOf(options)
    this.#serve = dispatcher(this, options)
    if (listener !== undefined) this.on('request', listener)
  }

  /** Whether it listens. */
  get listening(): boolean {
    return this.#server !== undefined
  }

  /**
   * Starts to listen, and emits `listening` or `error`. What is no name is bound before this returns.
   *
   * Without a host it listens at all addresses of the machine, IPv6 and IPv4, and with a name at all addresses of that.
   *
   * @param port 0, the default, takes any free port. In its place: a unix socket's path, or options.
   * @throws RangeError (`ERR_SOCKET_BAD_PORT`), TypeError (`ERR_INVALID_ARG_VALUE`, `ERR_INVALID_ARG_TYPE`), or Error
   *   (`ERR_SERVER_ALREADY_LISTEN`).
   */
  listen(port?: number, host?: string, backlog?: number, callback?: () => void): this
  listen(port?: number, host?: string, callback?: () => void): this
  listen(port?: number, backlog?: number, callback?: () => void): this
  listen(port?: number, callback?: () => void): this
  listen(path: string, backlog?: number, callback?: () => void): this
  listen(path: string, callback?: () => void): this
  listen(options: ListenOptions, callback?: () => void): this
  listen(...given: unknown[]): this {
    const { place, callback } = readPlace(given)
    if (this.#server !== undefined || this.#sought !== undefined) {
      throw failure(Error, 'ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once without closing.')
    }
    if (callback !== undefined) this.once('listening', callback)
    this.#closeOn(place.signal)
    if (isKnown(place)) this.#bind(place, place.host ? [[place.host]] : wildcards(place))
    else this.#bindName(place)
    return this
  }

  /** Where it listens: address, family and port, or a unix socket's path; null if it does not. */
  address(): AddressInfo | string | null {
    const first = this.#server?.addresses[0]
    return first === undefined ? null : splitAddress(first)
  }

  /**
   * Stops listening. Connections that wait for a request close within a second, the others after their response.
   *
   * @param callback Is called when all have ended, as `close` is emitted; with an error (`ERR_SERVER_NOT_RUNNING`) if it did not listen.
   */
  close(callback?: (error?: Error) => void): this {
    const server = this.#server
    const wasRunning = server !== undefined || this.#sought !== undefined
    this.#server = this.#sought = undefined
    this.#unhear?.()
    if (callback !== undefined) {
      const error = wasRunning ? undefined : failure(Error, 'ERR_SERVER_NOT_RUNNING', 'Server is not running.')
      this.once('close', () => callback(error))
    }
    if (server !== undefined) void this.#drain(server)
    else if (this.#draining.size === 0) process.nextTick(() => this.emit('close'))
    return this
  }

  /** Closes every connection, whatever it is doing. */
  closeAllConnections(): void {
    for (const server of this.#servers) server.disconnect(false)
  }

  /** Closes the connections that wait for a request. */
  closeIdleConnections(): void {
    for (const server of this.#servers) server.disconnect(true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve, reject) => this.close(error => (error === undefined ? resolve() : reject(error))))
  }

  /** Has listening keep the process alive, as it does from the start. */
  ref(): this {
    return this.#keepAlive(true)
  }

  /** Has listening not keep the process alive. */
  unref(): this {
    return this.#keepAlive(false)
  }

  /** Is told what an asynchronous listener rejects with, where `captureRejections` of `node:events` was on when this was made. */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: string | symbol, ...given: unknown[]): void {
    if (event === 'request') answerFailure(given[1] as ServerResponse)
    else this.emit('error', error)
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#servers.reduce((sum, server) => sum + server.status.connections, 0)
  }

  /** Tells how many connections are open. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.connections)
    return this
  }

  protected override retime(): void {
    for (const server of this.#servers) server.retime(this.timeouts)
  }

  get #servers(): HttpEngine[] {
    return this.#server === undefined ? [...this.#draining] : [this.#server, ...this.#draining]
  }

  #keepAlive(keep: boolean): this {
    this.#keepsAlive = keep
    this.#server?.keepAlive(keep)
    return this
  }

  #closeOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    const close = () => this.close()
    if (signal.aborted) return process.nextTick(close)
    signal.addEventListener('abort', close, { once: true })
    this.#unhear = () => signal.removeEventListener('abort', close)
  }

  #bindName(place: ListenOptions): void {
    this.#sought = place
    const isSought = () => this.#sought === place
    addressesOf(place).then(
      hosts => isSought() && this.#bind(place, choicesOf(place, hosts)),
      error => isSought() && this.#failed(error as Error),
    )
  }

  /** Listens at all addresses of the first of several choices that can be had. */
  #bind(place: ListenOptions, choices: readonly (readonly string[])[]): void {
    let refusal: unknown
    for (const hosts of choices) {
      let server: HttpEngine
      try {
        server = this.#open(place, hosts)
      } catch (error) {
        refusal = error
        continue
      }
      return this.#listens(server)
    }
    this.#failed(refusal as Error)
  }

  #open(place: ListenOptions, hosts: readonly string[]): HttpEngine {
    const server = this.#make()
    try {
      bind(server, place, hosts)
      return server
    } catch (error) {
      void server.close()
      throw error
    }
  }

  #make(): HttpEngine {
    const { accessLog = false, logger = console } = this.#options
    const server = new HttpEngine({ limits: this.limits, timeouts: this.timeouts, accessLog, logger })
    server.take(this.#serve)
    return server
  }

  #listens(server: HttpEngine): void {
    this.#sought = undefined
    this.#server = server
    if (!this.#keepsAlive) server.keepAlive(false)
    const address = this.address()
    this.local = typeof address === 'string' || address === null ? {} : isWildcard(server.addresses) ? { port: address.port } : address
    joinCluster(this)
    process.nextTick(() => {
      if (this.#server === server) this.emit('listening')
    })
  }

  #failed(error: Error): void {
    this.#sought = undefined
    this.#unhear?.()
    process.nextTick(() => this.emit('error', error))
  }

  async #drain(server: HttpEngine): Promise<void> {
    this.#draining.add(server)
    await server.drain()
    this.#draining.delete(server)
    if (this.#draining.size === 0) process.nextTick(() => this.emit('close'))
  }
}

/** Answers with a 500, or closes the connection of a response that has begun. */
function answerFailure(response: ServerResponse): void {
  if (response.headersSent || response.writableEnded) return void response.destroy()
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusCode = 500
  response.end(STATUS_CODES[500])
}
