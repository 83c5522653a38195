/** What a handler sees of a request: the web-standard `Request`, each part made when it is asked for. */

import { describe } from '../describe'
import { ClientDisconnected, HTTPError, InvalidError } from '../errors'
import type { Exchange, Peer, WhenEnded } from './exchange'
import { RequestHeaders } from './headers'
import { joinPlatform, PlatformRequest } from './platform'
import { pathOf, urlOf } from './url'

/** What is not made here is the platform's. */
export interface HostRequest extends Request {}

/**
 * A request. It has the surface of the web's `Request`, and is one for `instanceof`; besides, it has `params`, `path`, `query` and `client`.
 *
 * Nothing is decoded or read before it is asked for.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: its prototype's prototype is the platform's.
export class HostRequest {
  /** @internal */
  readonly exchange: Exchange
  readonly #names: readonly string[]
  #params: Record<string, string> | undefined
  #headers: Headers | undefined
  #query: URLSearchParams | undefined
  #signal: AbortSignal | undefined
  #stream: ReadableStream<Uint8Array> | null | undefined
  #isUsed = false
  #real: Request | undefined

  /** @internal */
  constructor(exchange: Exchange, names: readonly string[]) {
    this.exchange = exchange
    this.#names = names
  }

  /** The method, such as `GET`. */
  get method(): string {
    return this.exchange.method
  }

  /**
   * The whole URL, as the web writes it. Its host is the request's `Host`.
   *
   * @throws HTTPError (400) if the `Host` makes no URL.
   */
  get url(): string {
    return urlOf(this.exchange.target, this.headers.get('host') || 'localhost')
  }

  /** The path as it was sent. */
  get path(): string {
    return pathOf(this.exchange.target)
  }

  /** The query's parameters. */
  get query(): URLSearchParams {
    if (this.#query === undefined) {
      const { target } = this.exchange
      const mark = target.indexOf('?')
      this.#query = new URLSearchParams(mark < 0 ? '' : target.slice(mark))
    }
    return this.#query
  }

  /** The path's parameters by name, percent-decoded. What does not decode is a 400. */
  get params(): Record<string, string> {
    if (this.#params === undefined) {
      const params: Record<string, string> = {}
      for (let at = 0; at < this.#names.length; at++) params[this.#names[at]!] = decoded(this.exchange.param(at))
      this.#params = params
    }
    return this.#params
  }

  /** The header fields. They cannot be changed. */
  get headers(): Headers {
    return (this.#headers ??= new RequestHeaders(this.exchange) as unknown as Headers)
  }

  /** The client's address and port. Unix sockets and test clients have none. */
  get client(): Peer | undefined {
    return this.exchange.peer
  }

  /** Aborted, once, when the request ends before its response has been sent: the client has left, or a timeout ran out. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController()
      this.#signal = controller.signal
      this.exchange.onEnded(cause => {
        if (cause !== 'done') controller.abort(new ClientDisconnected(`the request ended: ${cause}`))
      })
    }
    return this.#signal
  }

  /** The body as a stream; null if the request has none. Nothing is read from the client before it is asked for. */
  get body(): Request['body'] {
    if (this.#real !== undefined) return this.#real.body
    if (this.#stream === undefined) this.#stream = this.#hasContent ? this.#makeStream() : null
    return this.#stream as Request['body']
  }

  /** Whether the body was read, or is being read. */
  get bodyUsed(): boolean {
    return this.#real !== undefined ? this.#real.bodyUsed : this.#isUsed && this.#hasContent
  }

  /** Reads the body as JSON. Anything else is a 422. */
  async json(): Promise<any> {
    const text = await this.text()
    try {
      return JSON.parse(text)
    } catch (error) {
      throw unreadable('JSON', error)
    }
  }

  /** Reads the body as UTF-8. What is not becomes U+FFFD. */
  async text(): Promise<string> {
    if (this.#real !== undefined) return this.#real.text()
    if (this.exchange.hasBody) {
      this.#use()
      return withoutMark(this.exchange.takeText())
    }
    return withoutMark((await this.#gather()).toString('utf8'))
  }

  /** Reads the body. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.#real === undefined ? await this.#gather() : Buffer.from(await this.#real.arrayBuffer())
    return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Reads the body into an `ArrayBuffer` of its own. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#real !== undefined) return this.#real.arrayBuffer()
    const { buffer, byteOffset, byteLength } = await this.#gather()
    const isWhole = byteLength === buffer.byteLength
    return (isWhole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer
  }

  /** Reads the body as a `Blob` of the request's media type. */
  async blob(): Promise<Blob> {
    return new Blob([await this.arrayBuffer()], { type: this.headers.get('content-type') ?? '' })
  }

  /** Reads a form: `multipart/form-data` or `application/x-www-form-urlencoded`. Anything else is a 422. */
  async formData(): Promise<FormData> {
    try {
      return await this.real().formData()
    } catch (error) {
      throw error instanceof ClientDisconnected ? error : unreadable('a form', error)
    }
  }

  /** Makes a second request of the same, whose body can be read by itself. */
  clone(): Request {
    return this.real().clone()
  }

  /** Makes the platform's own `Request` of it, for a library that looks behind the surface. The body is then that one's. */
  real(): Request {
    if (this.#real === undefined) {
      const { method, url, headers, signal } = this
      const isSpent = this.bodyUsed && this.#stream === undefined
      const body = isSpent ? new ReadableStream() : this.body
      this.#real = new PlatformRequest(url, { method, headers: [...headers], signal, body, duplex: 'half' } as RequestInit)
      // What was read cannot be read or sent again.
      if (isSpent) void body!.cancel()
    }
    return this.#real
  }

  get [Symbol.toStringTag](): string {
    return 'Request'
  }

  get #hasContent(): boolean {
    const { method } = this
    if (method === 'GET' || method === 'HEAD') return false
    const length = this.headers.get('content-length')
    return length !== null ? length !== '0' : this.headers.has('transfer-encoding')
  }

  #use(): void {
    if (this.bodyUsed) throw new TypeError('the body was read already; read it once')
    this.#isUsed = true
  }

  async #gather(): Promise<Buffer> {
    this.#use()
    if (this.#stream) return gatherStream(this.#stream)
    const { exchange } = this
    if (exchange.hasBody) return exchange.takeBody()
    const first = await exchange.read()
    if (first === null) return Buffer.alloc(0)
    let next = await exchange.read()
    if (next === null) return first
    const chunks = [first]
    for (; next !== null; next = await exchange.read()) chunks.push(next)
    return Buffer.concat(chunks)
  }

  #makeStream(): ReadableStream<Uint8Array> {
    const { exchange } = this
    return new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          this.#isUsed = true
          const chunk = await exchange.read()
          if (chunk === null) controller.close()
          else controller.enqueue(chunk)
        },
      },
      { highWaterMark: 0 },
    )
  }
}

async function gatherStream(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function decoded(value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    throw new HTTPError(400, `the path's ${JSON.stringify(value)} is not percent-encoded UTF-8`)
  }
}

/** Drops a byte order mark, as the web's `text()` does. */
function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function unreadable(wanted: string, cause: unknown): unknown {
  if (!(cause instanceof SyntaxError || cause instanceof TypeError)) return cause
  const errors = [{ in: 'body', name: null, got: null, wanted }]
  // Without a cause: it says no more, and what clients send is not for the log.
  return new HTTPError(422, `the body is not ${wanted}: ${cause.message}`, { errors })
}

/**
 * Calls back when a request has ended, once its response has left or never will: `'done'`, or why not. It is told besides what the handler threw,
 * or the source of its stream; nothing if neither did.
 */
export function whenEnded(request: HostRequest, callback: WhenEnded): void {
  if (!(request instanceof HostRequest))
    throw new InvalidError(`whenEnded is given ${describe(request)}, which is no request of a server's; give it what the handler was given`)
  if (typeof callback !== 'function') throw new InvalidError(`whenEnded is given ${describe(callback)}; give it a function to call back`)
  request.exchange.onEnded(callback)
}

const DELEGATED = [
  'cache',
  'credentials',
  'destination',
  'integrity',
  'keepalive',
  'mode',
  'redirect',
  'referrer',
  'referrerPolicy',
  'duplex',
]
for (const name of DELEGATED) {
  Object.defineProperty(HostRequest.prototype, name, {
    configurable: true,
    get(this: HostRequest) {
      return (this.real() as unknown as Record<string, unknown>)[name]
    },
  })
}

joinPlatform(() => {
  // `fetch(request)` and `new Request(request)` of Node 20 look behind the surface, at properties named by symbols.
  for (const symbol of Object.getOwnPropertySymbols(new PlatformRequest('http://localhost'))) {
    Object.defineProperty(HostRequest.prototype, symbol, {
      configurable: true,
      get(this: HostRequest) {
        return (this.real() as unknown as Record<symbol, unknown>)[symbol]
      },
    })
  }
  Object.setPrototypeOf(HostRequest.prototype, PlatformRequest.prototype)
})
