/** An HTTP server in Node's own event loop: an engine, its routes, and the requests that are under way. */

import { channel } from 'node:diagnostics_channel'

import { ClosedError, InvalidError, typed } from '../errors'
import { Host, type NativeHost, type Respond } from '../native'
import { answer, fail } from './answer'
import { CAUSES, Exchange } from './exchange'
import { connectInMemory, type Receiver } from './memory'
import { finite, type Limits, readLimits, readTimeouts, type Timeouts } from './options'
import { HostRequest } from './request'

/** Where a server tells what happened. `console` is one. */
export interface Logger {
  debug(...message: unknown[]): void
  info(...message: unknown[]): void
  warn(...message: unknown[]): void
  error(...message: unknown[]): void
}

export interface ServerOptions {
  limits?: Partial<Limits>
  timeouts?: Partial<Timeouts>
  /** Whether each response is logged, and published at the diagnostics channel `hostloop:access`. Default: no. */
  accessLog?: boolean
  /** Where errors of handlers and access lines go. Default: `console`. */
  logger?: Logger
}

/** Answers a request. What it returns, or its promise gives, is the response. */
export type Handler = (request: HostRequest) => unknown

/** What is published at `hostloop:access`. */
export interface Access {
  /** The client's address and port; empty for unix sockets and connections in memory. */
  client: string
  /** The request line's parts; empty for what was refused before it could be read. */
  method: string
  target: string
  version: string
  /** Nothing if the client left before it was sent. */
  status: number | undefined
  /** Bytes of the response's body. */
  bytes: number
  milliseconds: number
}

/** Takes an exchange and answers it; never throws. */
type Start = (exchange: Exchange) => void

/** Records that fit in the array that both sides see, and numbers in a record. The native layer has the same. */
const RECORDS = 256
const FIELDS = 9

const REQUEST = 1
const DATA = 2
const END = 3
const ABORTED = 4
const WRITTEN = 5
const CLOSED = 6
const RECEIVED = 7
const ACCESS = 8

/** What a handle is of, in the upper byte of its upper half. */
const KIND_SERVER = 3
const KIND_CLIENT = 5
const KIND_REQUEST = 6

/** Whether a thread wakes the loop, as where the loop cannot watch the engine's descriptor. For trying that out. */
const WITH_THREAD = process.env['HOSTLOOP_DOORBELL'] === '1'

const accesses = channel('hostloop:access')

/** Serves routes in the event loop of the thread that makes it. It keeps the process alive as long as it listens. */
export class Server {
  /** Where it listens: `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`. */
  readonly addresses: string[] = []
  readonly #host: NativeHost
  readonly #respond: Respond
  readonly #records = new Uint32Array(new ArrayBuffer(RECORDS * FIELDS * 4))
  readonly #starts: Start[] = []
  /** Requests under way, by the lower half of their handle. */
  readonly #exchanges: (Exchange | undefined)[] = []
  readonly #receivers = new Map<number, Receiver>()
  readonly #logger: Logger
  readonly #ended: Promise<void>
  #end!: () => void
  #clients = 0
  #isClosed = false

  constructor(options: ServerOptions = {}) {
    const { limits, timeouts, accessLog = false, logger = console } = options
    this.#logger = logger
    this.#ended = new Promise(resolve => (this.#end = resolve))
    const onBatch = (count: number, text: string, buffers: Buffer[] | undefined) => this.#onBatch(count, text, buffers)
    const settings = [readLimits(limits), finite(readTimeouts(timeouts)), accessLog || accesses.hasSubscribers] as const
    this.#host = typed(() => new Host(onBatch, this.#records, ...settings, WITH_THREAD))
    this.#respond = this.#host.respondFunction()
  }

  /** The first address as a URL. */
  get url(): string {
    const first = this.addresses[0]
    if (first === undefined) throw new ClosedError('the server does not listen; call listen first')
    return first.startsWith('unix:') ? first : `http://${first}`
  }

  /** How many connections are open, and how many requests under way. */
  get status(): { connections: number; requests: number } {
    const [connections, requests] = typed(() => this.#host.status())
    return { connections, requests }
  }

  /**
   * Adds a route. `/links/{code}` matches one segment, `/files/{rest:path}` takes the remainder of the path.
   *
   * @throws ConflictError if the route exists, InvalidError if the path cannot be read, or told from another.
   */
  route(method: string, path: string, handler: Handler): void {
    const names = parameterNames(path)
    this.#add(
      start => this.#host.route(method, path, start),
      exchange => this.#call(handler, exchange, names),
    )
  }

  /** Has a handler answer every request that no route is for, whatever its method. */
  fallback(handler: Handler): void {
    this.#add(
      start => this.#host.fallback(start),
      exchange => this.#call(handler, exchange, NO_NAMES),
    )
  }

  /** @internal Has every request that no route is for given as it is. */
  take(start: Start): void {
    this.#add(token => this.#host.fallback(token), start)
  }

  /**
   * Starts to listen on an address, and returns it as it was bound: port 0 takes any free port.
   *
   * @param address `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`.
   * @param options `reusePort`: whether several processes may share a TCP port. Default: no.
   * @throws AddressError if it is in use, not this machine's, or not allowed.
   */
  listen(address: string, { reusePort = false }: { reusePort?: boolean } = {}): string {
    return this.#listening(typed(() => this.#host.listen(address, reusePort)))
  }

  /** Starts to accept on a descriptor that listens already, such as one that a supervisor has opened. The server owns it from now on. */
  listenFd(fd: number): string {
    return this.#listening(typed(() => this.#host.listenFd(fd)))
  }

  #listening(bound: string): string {
    this.addresses.push(bound)
    this.#host.keepAlive(true)
    return bound
  }

  /** Says whether listening keeps the process alive. Default: yes. */
  keepAlive(keep: boolean): void {
    this.#host.keepAlive(keep)
  }

  /** @internal Changes how long it waits. What has begun may wait as it did. */
  retime(timeouts: Timeouts): void {
    if (!this.#isClosed) typed(() => this.#host.wait(finite(readTimeouts(timeouts))))
  }

  /** @internal Closes all connections, or those that wait for a request. */
  disconnect(onlyIdle: boolean): void {
    if (!this.#isClosed) typed(() => this.#host.disconnect(onlyIdle))
  }

  /**
   * Stops accepting, closes idle connections, and ends when each request has been answered.
   *
   * @param timeout Seconds after which what is left is cut short. Default: `timeouts.drain`. A second call can only bring it forward.
   */
  async drain(timeout?: number | null): Promise<void> {
    if (!this.#isClosed) {
      this.#host.keepAlive(true)
      typed(() => this.#host.drain(timeout))
    }
    await this.#ended
  }

  /** Ends everything now. Requests that are not answered lose their connections. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#host.keepAlive(true)
      typed(() => this.#host.close())
    }
    await this.#ended
  }

  /** Makes a request through memory: through the whole server, parsing included, without a socket. */
  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    this.#host.keepAlive(true)
    this.#clients += 1
    try {
      return await connectInMemory(this.#host, this.#receivers, input, init)
    } finally {
      this.#clients -= 1
      if (this.#clients === 0 && this.addresses.length === 0) this.#host.keepAlive(false)
    }
  }

  #add(tell: (token: number) => void, start: Start): void {
    typed(() => tell(this.#starts.length))
    this.#starts.push(start)
  }

  #call(handler: Handler, exchange: Exchange, names: readonly string[]): void {
    try {
      const result = handler(new HostRequest(exchange, names))
      if (isPromise(result)) {
        result.then(
          value => this.#answer(exchange, value),
          error => this.#fail(exchange, error),
        )
      } else this.#answer(exchange, result)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #answer(exchange: Exchange, value: unknown): void {
    // The request may have ended meanwhile: a timeout has answered it, or its client has left.
    if (exchange.cause !== undefined) return
    try {
      const sending = answer(exchange, value)
      if (sending !== undefined) sending.catch(error => this.#fail(exchange, error))
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    try {
      if (fail(exchange, error)) this.#logger.error(`hostloop: ${exchange.method} ${exchange.target}: the handler threw`, error)
    } catch (failed) {
      this.#logger.error('hostloop: an error could not be answered', failed)
    }
  }

  // What the engine tells.

  #onBatch(count: number, text: string, buffers: Buffer[] | undefined): void {
    const records = this.#records
    let used = 0
    for (let at = 0; at < count * FIELDS; at += FIELDS) {
      const code = records[at]!
      if (code === REQUEST) this.#begin(records, at, text)
      else {
        const bytes = code === DATA || code === RECEIVED ? buffers![used++]! : undefined
        this.#tell(code, records, at, text, bytes)
      }
    }
  }

  #begin(records: Uint32Array, at: number, text: string): void {
    const low = records[at + 2]!
    const exchange = new Exchange(
      this.#host,
      this.#respond,
      low,
      records[at + 3]!,
      text,
      records[at + 4]!,
      records[at + 5]!,
      records[at + 6]!,
      records[at + 7]!,
      records[at + 8]!,
    )
    this.#exchanges[low] = exchange
    exchange.runInAsyncScope(this.#starts[records[at + 1]!]!, undefined, exchange)
  }

  #tell(code: number, records: Uint32Array, at: number, text: string, bytes: Buffer | undefined): void {
    const token = records[at + 1]!
    const low = records[at + 2]!
    switch (code) {
      case DATA:
        return this.#exchanges[low]?.arrived(bytes!)
      case END:
        return this.#exchanges[low]?.arrived(null)
      case ABORTED:
        return this.#exchanges[low]?.aborted()
      case WRITTEN:
        return this.#exchanges[low]?.written()
      case RECEIVED:
        return this.#receivers.get(token)?.received(bytes!)
      case CLOSED:
        return this.#closed(records[at + 3]! >>> 24, token, low, records[at + 4]!)
      case ACCESS:
        return this.#accessed(text.slice(records[at + 4]!, records[at + 5]!))
      default:
        // Shutdown: the engine is gone.
        this.#isClosed = true
        this.#end()
    }
  }

  #closed(kind: number, token: number, low: number, cause: number): void {
    if (kind === KIND_REQUEST) {
      const exchange = this.#exchanges[low]
      this.#exchanges[low] = undefined
      exchange?.ended(CAUSES[cause]!)
    } else if (kind === KIND_CLIENT) {
      this.#receivers.get(token)?.ended()
      this.#receivers.delete(token)
    } else if (kind === KIND_SERVER && !this.#isClosed) {
      this.#isClosed = true
      this.#host.close()
    }
  }

  #accessed(line: string): void {
    const [client, method, target, version, status, bytes, milliseconds] = line.split('\n') as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    const access: Access = {
      client,
      method,
      target,
      version,
      status: status === '' ? undefined : Number(status),
      bytes: Number(bytes),
      milliseconds: Number(milliseconds),
    }
    if (accesses.hasSubscribers) accesses.publish(access)
    this.#logger.info(`${client || '-'} "${method} ${target} ${version}" ${status || '-'} ${bytes} ${access.milliseconds.toFixed(1)}ms`)
  }
}

const NO_NAMES: readonly string[] = []

/** The names of a path's parameters, in order. The engine checks the path. */
function parameterNames(path: string): readonly string[] {
  if (typeof path !== 'string') throw new InvalidError(`path ${String(path)} is not a string`)
  return [...path.matchAll(/\{([^}:]*)(?::path)?\}/g)].map(match => match[1]!)
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
