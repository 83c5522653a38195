/** Requests through memory: the clients' ends of connections that have no socket. */

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Duplex, pipeline, Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'

import { toHostloopError, typed } from '../typed'
import type { NativeHost } from '../native'

/** Who is told what happens to a connection in memory. */
export interface Receiver {
  received(bytes: Buffer): void
  /** There is room, after the connection did not take everything. */
  hasRoom(): void
  ended(): void
  /** Takes what the server writes again, if it had ceased to. */
  takeOn(): void
}

/** The clients of a server in its own process. */
export class Clients {
  #last = 0
  #busy = 0
  #isClosing = false

  constructor(
    readonly host: NativeHost,
    private readonly receivers: Map<number, Receiver>,
    /** Is told when nothing is under way any more. */
    private readonly resting: () => void,
  ) {}

  /** Whether something is under way: a request, or a response that somebody reads. */
  get isBusy(): boolean {
    return this.#busy > 0
  }

  /** Whether what is not read is taken all the same, since the server waits for it. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  /** Makes a request, as the global `fetch` does over the network. Redirects are not followed. */
  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    this.begin()
    try {
      return await makeRequest(() => this.#connect(), input, init)
    } finally {
      this.end()
    }
  }

  /** Has the server not wait for clients that do not read. */
  close(): void {
    this.#isClosing = true
    for (const receiver of this.receivers.values()) receiver.takeOn()
  }

  begin(): void {
    this.#busy += 1
    this.host.keepAlive(true)
  }

  end(): void {
    this.#busy -= 1
    if (this.#busy === 0) this.resting()
  }

  #connect(): Connection {
    this.#last = (this.#last + 1) >>> 0
    const token = this.#last
    const connection = new Connection(this, ...typed(() => this.host.connect(token)))
    this.receivers.set(token, connection)
    return connection
  }
}

/** A connection in memory, as a stream that Node's own HTTP client reads and writes. */
class Connection extends Duplex implements Receiver {
  /** Sends what there was no room for. */
  #sendRest: (() => void) | undefined
  /** Whether somebody waits for what the server writes. */
  #isBusy = false
  /** Whether the server has closed. */
  #isGone = false

  constructor(
    private readonly clients: Clients,
    private readonly low: number,
    private readonly high: number,
  ) {
    super({ allowHalfOpen: false })
    this.#setBusy(true)
  }

  received(bytes: Buffer): void {
    if (!this.push(bytes) && !this.clients.isClosing) this.#pause(true)
  }

  hasRoom(): void {
    const send = this.#sendRest
    this.#sendRest = undefined
    send?.()
  }

  ended(): void {
    this.#isGone = true
    this.#setBusy(false)
    this.push(null)
    this.hasRoom()
  }

  // Node's client asks a socket for these.
  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    this.takeOn()
  }

  takeOn(): void {
    if (!this.#isBusy) this.#pause(false)
  }

  /** Sends everything, as fast as the server reads; what comes after its end goes nowhere. */
  override _write(bytes: Buffer, encoding: string, done: (error?: Error | null) => void): void {
    if (this.#isGone) return done()
    try {
      const sent = this.clients.host.clientSend(this.low, this.high, bytes)
      if (sent === bytes.length) done()
      else this.#sendRest = () => this._write(bytes.subarray(sent), encoding, done)
    } catch (error) {
      done(toHostloopError(error) as Error)
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#unlessGone(() => this.clients.host.clientClose(this.low, this.high))
    this.#setBusy(false)
    done(error)
  }

  #pause(isPaused: boolean): void {
    this.#unlessGone(() => {
      this.clients.host.clientPause(this.low, this.high, isPaused)
      this.#setBusy(!isPaused)
    })
  }

  #setBusy(isBusy: boolean): void {
    if (this.#isBusy === isBusy) return
    this.#isBusy = isBusy
    if (isBusy) this.clients.begin()
    else this.clients.end()
  }

  #unlessGone(verb: () => void): void {
    try {
      if (!this.#isGone) verb()
    } catch {
      // It has ended, which will be told.
    }
  }
}

async function makeRequest(createConnection: () => Connection, input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const isPath = typeof input === 'string' && input.startsWith('/')
  const request = new Request(isPath ? `http://testserver${input}` : input, withDuplex(init))
  const { pathname, search, host: name } = new URL(request.url)
  const headers: Record<string, string> = { ...Object.fromEntries(request.headers), host: request.headers.get('host') ?? name }
  const body = await bodyOf(request, init?.body)
  if (body instanceof Buffer) headers['content-length'] = String(body.length)
  const options = { method: request.method, path: pathname + search, headers, signal: request.signal, createConnection }
  return toResponse(
    await exchange(options, body).catch(error => {
      throw request.signal.aborted ? request.signal.reason : error
    }),
  )
}

/** A stream is sent as it comes; anything else is sent with its length. */
async function bodyOf(request: Request, given: RequestInit['body']): Promise<Buffer | Readable | undefined> {
  if (request.body === null) return undefined
  if (given instanceof ReadableStream) return Readable.fromWeb(request.body as WebStream<Uint8Array>)
  return Buffer.from(await request.arrayBuffer())
}

function exchange(options: RequestOptions, body: Buffer | Readable | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(options, resolve)
    sent.on('error', reject)
    if (body instanceof Readable) pipeline(body.once('error', reject), sent, () => {})
    else sent.end(body)
  })
}

function toResponse(message: IncomingMessage): Response {
  const status = message.statusCode!
  const headers = new Headers()
  for (let at = 0; at < message.rawHeaders.length; at += 2) headers.append(message.rawHeaders[at]!, message.rawHeaders[at + 1]!)
  const isEmpty = [204, 205, 304].includes(status)
  if (isEmpty) message.resume()
  const body = isEmpty ? null : (Readable.toWeb(message) as WebStream<Uint8Array> as ReadableStream<Uint8Array>)
  return new Response(body, { status, statusText: message.statusMessage ?? '', headers })
}

function withDuplex(init: RequestInit | undefined): RequestInit | undefined {
  return init?.body === undefined ? init : ({ ...init, duplex: 'half' } as RequestInit)
}
