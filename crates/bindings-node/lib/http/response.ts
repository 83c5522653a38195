/** A `Response` that costs little: the web's own is made only for what looks behind its status, headers and body. */

import type { Piece } from '../native'
import { isBytes, toBytes } from './bytes'
import { headerLines, initLines, linesToHeaders } from './headers'
import { joinPlatform, loadPlatform, PlatformHeaders, PlatformResponse } from './platform'

/** Media types that the engine knows by number. The native layer has the same list. */
export const MEDIA = { none: 0, text: 1, json: 2, html: 3, bytes: 4 } as const

/** What the engine is given. */
export interface Parts {
  status: number
  /** One of `MEDIA`. */
  media: number
  /** Names and values, a line each. */
  lines: string | undefined
  body: Piece | undefined
}

const PARTS = Symbol('parts')
const IS_LIGHT = Symbol('is light')
const NULL_STATUSES = [101, 103, 204, 205, 304]

type Body = ConstructorParameters<typeof Response>[0]

/** What is not made here is the platform's. */
export interface HostResponse extends Response {}

/**
 * The web's `Response`, made lazily. It is one for `instanceof`, and whatever takes a `Response` takes it. What it is given is copied: header
 * fields as the lines that the engine reads.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: its prototype's prototype is the platform's.
export class HostResponse {
  readonly #status: number
  readonly #body: string | Uint8Array | undefined = undefined
  /** Fields, a name and a value in turn; nothing if none were given. */
  readonly #lines: string | undefined = undefined
  #headers: Headers | undefined
  #real: Response | undefined

  /**
   * @param body Text, bytes, a `Blob`, `FormData`, `URLSearchParams` or `ReadableStream`; or null.
   * @param init `status` (200 to 599; default: 200), `statusText` and `headers`.
   */
  constructor(body?: Body, init?: ResponseInit | null) {
    loadPlatform()
    const given = init?.status
    this.#status = given === undefined || given === 200 ? 200 : readStatus(given, body)
    const isText = typeof body === 'string'
    if (isText) {
      this.#body = body
      if (isAbsent(init)) return
    }
    if (isBytes(body)) this.#body = copied(body)
    else if (!isText && body !== undefined && body !== null) this.#real = makeReal(body, init, this.#status)
    if (isAbsent(init) || this.#real !== undefined) return
    if (init.statusText) this.#real = makeReal(body, init, this.#status)
    else if (init.headers !== undefined) this.#lines = initLines(init.headers, isText)
  }

  get status(): number {
    return this.#status
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299
  }

  get statusText(): string {
    return this.#real?.statusText ?? ''
  }

  get headers(): Headers {
    if (this.#real !== undefined) return this.#real.headers
    if (this.#headers === undefined) {
      this.#headers = linesToHeaders(this.#lines)
      if (this.#lines === undefined && typeof this.#body === 'string') this.#headers.set('content-type', 'text/plain;charset=UTF-8')
    }
    return this.#headers
  }

  /** Makes the platform's own `Response` of it. */
  real(): Response {
    return (this.#real ??= makeReal(this.#body, { headers: this.headers }, this.#status))
  }

  clone(): Response {
    return this.real().clone()
  }

  get [Symbol.toStringTag](): string {
    return 'Response'
  }

  /** @internal What can be sent without the platform's `Response`; nothing if that was made. */
  [PARTS](): Parts | undefined {
    if (this.#real !== undefined) return undefined
    const body = this.#body
    const status = this.#status
    if (this.#headers !== undefined) return { status, media: MEDIA.none, lines: headerLines(this.#headers), body }
    const lines = this.#lines
    return { status, media: lines === undefined && typeof body === 'string' ? MEDIA.text : MEDIA.none, lines, body }
  }

  /** @internal Whether its body is text or bytes, and no stream was made of them. */
  static [IS_LIGHT](response: object): boolean {
    return #real in response && response.#real === undefined
  }

  /** Makes a response of JSON. */
  static json(data: unknown, init?: ResponseInit): HostResponse {
    const text = JSON.stringify(data)
    if (text === undefined) throw new TypeError('Value is not JSON serializable')
    // `init` may be a `Response`, whose parts are no properties of its own.
    const { status = 200, statusText = '', headers: given } = init ?? {}
    if (given === undefined) return new HostResponse(text, { status, statusText, headers: JSON_HEADERS })
    const headers = new PlatformHeaders(given)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new HostResponse(text, { status, statusText, headers })
  }

  /** Makes a redirect. `url` may be relative. Default of `status`: 302. */
  static redirect(url: string | URL, status: 301 | 302 | 303 | 307 | 308 | number = 302): HostResponse {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid status code ${status}`)
    return new HostResponse(null, { status, headers: { location: locationOf(String(url)) } })
  }

  /** Makes the response of a network error. */
  static error(): Response {
    loadPlatform()
    return PlatformResponse.error()
  }

  /** Counts the platform's in. A class that extends this one has its own alone. */
  static [Symbol.hasInstance](value: unknown): boolean {
    loadPlatform()
    return Function.prototype[Symbol.hasInstance].call(this === HostResponse ? PlatformResponse : this, value)
  }
}

/** What can be sent of a response without the platform's own; nothing if it is one, or has become one. */
export function partsOf(response: Response): Parts | undefined {
  return (response as unknown as Partial<HostResponse>)[PARTS]?.()
}

/** Whether a response has no source: it is text or bytes, and no platform's own. */
export function isLight(response: Response): boolean {
  return HostResponse[IS_LIGHT](response)
}

const JSON_HEADERS = { 'content-type': 'application/json' }

function isAbsent(init: ResponseInit | null | undefined): init is null | undefined {
  return init === undefined || init === null
}

/** Another may write where they lie. */
function copied(bytes: ArrayBufferView | ArrayBuffer): Uint8Array {
  return new Uint8Array(bytes instanceof Uint8Array ? bytes : toBytes(bytes))
}

function makeReal(body: Body | undefined, init: ResponseInit | null | undefined, status: number): Response {
  // `init` may be a `Response`, whose parts are no properties of its own.
  const { statusText = '', headers } = init ?? {}
  return new PlatformResponse(body ?? null, { status, statusText, ...(headers && { headers }) })
}

/** Reads a status as the web does, where `'201'` is one. */
function readStatus(given: unknown, body: Body | undefined): number {
  const status = Number(given) & 0xffff
  if (status < 200 || status > 599) {
    throw new RangeError(`init["status"] must be in the range of 200 to 599, inclusive: ${String(given)}`)
  }
  if (body !== null && body !== undefined && NULL_STATUSES.includes(status)) {
    throw new TypeError(`Response constructor: Invalid response status code ${status}: it has no body`)
  }
  return status
}

/** A URL as a field's value: an absolute one as the web writes it, of another what is no ASCII is encoded. */
function locationOf(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url.replace(/[^\x21-\x7e]+/g, percentEncoded)
}

function percentEncoded(text: string): string {
  return Buffer.from(text).toString('hex').toUpperCase().replace(/../g, '%$&')
}

for (const name of ['body', 'bodyUsed', 'redirected', 'type', 'url'] as const) {
  Object.defineProperty(HostResponse.prototype, name, {
    configurable: true,
    get(this: HostResponse) {
      return this.real()[name]
    },
  })
}
for (const name of ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const) {
  Object.defineProperty(HostResponse.prototype, name, {
    configurable: true,
    value(this: HostResponse) {
      return (this.real() as unknown as Record<string, () => unknown>)[name]!()
    },
  })
}
joinPlatform(() => {
  Object.setPrototypeOf(HostResponse.prototype, PlatformResponse.prototype)
  Object.setPrototypeOf(HostResponse, PlatformResponse)
})
