/** Requests through memory: a client's end of a connection that has no socket. */

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Duplex, Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'

import { toHostloopError } from '../errors'
import type { NativeHost } from '../native'

/** Who is told what a server wrote to a connection in memory. */
export interface Receiver {
  received(bytes: Buffer): void
  ended(): void
}

/** Milliseconds between two looks for room. */
const MAX_WAIT = 20

/** What a receiver's number was last. */
let last = 0

/** A connection in memory, as a stream that Node's own HTTP client reads and writes. */
class Connection extends Duplex implements Receiver {
  readonly #low: number
  readonly #high: number

  constructor(
    private readonly host: NativeHost,
    receivers: Map<number, Receiver>,
  ) {
    super()
    const token = (last = (last + 1) >>> 0)
    receivers.set(token, this)
    ;[this.#low, this.#high] = host.connect(token)
  }

  received(bytes: Buffer): void {
    this.push(bytes)
  }

  ended(): void {
    this.push(null)
    this.destroy()
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

  override _read(): void {}

  /** Sends everything, as fast as the server reads. */
  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(bytes, 0, done)
  }

  /** The engine does not tell when there is room, so a server that does not read is asked less and less often. `wait` is milliseconds. */
  #send(bytes: Buffer, wait: number, done: (error?: Error | null) => void): void {
    try {
      const sent = this.host.clientSend(this.#low, this.#high, bytes)
      if (sent === bytes.length) done()
      else if (sent > 0) setImmediate(() => this.#send(bytes.subarray(sent), 0, done))
      else setTimeout(() => this.#send(bytes, Math.min(wait * 2 + 1, MAX_WAIT), done), wait)
    } catch (error) {
      done(toHostloopError(error) as Error)
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    try {
      this.host.clientClose(this.#low, this.#high)
    } catch {
      // It has ended already.
    }
    done(error)
  }
}

/** Makes a request of a server, as the global `fetch` does over the network. Redirects are not followed. */
export async function connectInMemory(
  host: NativeHost,
  receivers: Map<number, Receiver>,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const isPath = typeof input === 'string' && input.startsWith('/')
  const request = new Request(isPath ? `http://testserver${input}` : input, withDuplex(init))
  const { pathname, search, host: name } = new URL(request.url)
  const headers: Record<string, string> = { ...Object.fromEntries(request.headers), host: request.headers.get('host') ?? name }
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer())
  if (body !== undefined) headers['content-length'] = String(body.length)
  const options: RequestOptions = { method: request.method, path: pathname + search, headers, signal: request.signal }
  return toResponse(await exchange(host, receivers, options, body))
}

function exchange(
  host: NativeHost,
  receivers: Map<number, Receiver>,
  options: RequestOptions,
  body: Buffer | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const createConnection = () => new Connection(host, receivers)
    const whole: RequestOptions = { ...options, createConnection }
    const sent = httpRequest(whole, resolve)
    sent.on('error', reject)
    sent.end(body)
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
