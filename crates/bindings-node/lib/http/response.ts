/** A `Response` that costs little: the web's own is made only for what looks behind its status, headers and body. */

import type { Piece } from '../native'
import { isBytes, toBytes } from './bytes'
import { headerLine, headerLines } from './headers'

const GlobalResponse = globalThis.Response
const GlobalHeaders = globalThis.Headers

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
const NULL_STATUSES = [101, 103, 204, 205, 304]

type Body = ConstructorParameters<typeof Response>[0]

/** The web's `Response`, made lazily. It is one for `instanceof`, and whatever takes a `Response` takes it. */
export class HostResponse {
  readonly #body: Body
  readonly #init: ResponseInit | undefined
  #headers: Headers | undefined
  #real: Response | undefined

  /**
   * @param body Text, bytes, a `Blob`, `FormData`, `URLSearchParams` or `ReadableStream`; or null.
   * @param init `status` (200 to 599; default: 200), `statusText` and `headers`.
   */
  constructor(body?: Body, init?: ResponseInit) {
    const status = init?.status
    if (status !== undefined && status !== 200) checkStatus(status, body)
    this.#body = body ?? null
    this.#init = init
    if (init?.statusText || !isPlain(this.#body)) this.real()
  }

  get status(): number {
    return this.#init?.status ?? 200
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299
  }

  get statusText(): string {
    return this.#init?.statusText ?? ''
  }

  get headers(): Headers {
    if (this.#real !== undefined) return this.#real.headers
    if (this.#headers === undefined) {
      this.#headers = new GlobalHeaders(this.#init?.headers)
      if (typeof this.#body === 'string' && !this.#headers.has('content-type')) {
        this.#headers.set('content-type', 'text/plain;charset=UTF-8')
      }
    }
    return this.#headers
  }

  /** Makes the platform's own `Response` of it. */
  real(): Response {
    if (this.#real === undefined) {
      // `init` may be a `Response`, whose parts are no properties of its own.
      const { status = 200, statusText = '', headers } = this.#init ?? {}
      const fields = this.#headers ?? headers
      this.#real = new GlobalResponse(this.#body ?? null, { status, statusText, ...(fields && { headers: fields }) })
    }
    return this.#real
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
    const body = (this.#body ?? undefined) as string | ArrayBufferView | ArrayBuffer | undefined
    const status = this.#init?.status ?? 200
    const piece = body === undefined || typeof body === 'string' ? body : toBytes(body)
    if (this.#headers !== undefined) return { status, media: MEDIA.none, lines: headerLines(this.#headers), body: piece }
    const given = this.#init?.headers
    const isText = typeof piece === 'string'
    if (given === undefined) return { status, media: isText ? MEDIA.text : MEDIA.none, lines: undefined, body: piece }
    const fields = isFields(given) ? given : Object.entries(given as Record<string, string>)
    return { status, media: MEDIA.none, lines: withDefaultType(fields, isText), body: piece }
  }

  /** Makes a response of JSON. */
  static json(data: unknown, init?: ResponseInit): HostResponse {
    const text = JSON.stringify(data)
    if (text === undefined) throw new TypeError('Value is not JSON serializable')
    if (init?.headers === undefined) return new HostResponse(text, { ...init, headers: JSON_HEADERS })
    const headers = new GlobalHeaders(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new HostResponse(text, { ...init, headers })
  }

  /** Makes a redirect. `url` may be relative. Default of `status`: 302. */
  static redirect(url: string | URL, status: 301 | 302 | 303 | 307 | 308 | number = 302): HostResponse {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Invalid status code ${status}`)
    return new HostResponse(null, { status, headers: { location: encodeURI(decodeURISafe(String(url))) } })
  }

  /** Makes the response of a network error. */
  static error(): Response {
    return GlobalResponse.error()
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(GlobalResponse, value)
  }
}

/** What can be sent of a response without the platform's own; nothing if it is one, or has become one. */
export function partsOf(response: Response): Parts | undefined {
  return (response as unknown as Partial<HostResponse>)[PARTS]?.()
}

const JSON_HEADERS: [string, string][] = [['content-type', 'application/json']]

function checkStatus(status: number, body: Body): void {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`init["status"] must be in the range of 200 to 599, inclusive: ${String(status)}`)
  }
  if (body !== null && body !== undefined && NULL_STATUSES.includes(status)) {
    throw new TypeError(`Response constructor: Invalid response status code ${status}: it has no body`)
  }
}

function isPlain(body: Body): boolean {
  return body === null || typeof body === 'string' || isBytes(body)
}

function isFields(headers: object): headers is Iterable<[string, string]> {
  return Symbol.iterator in headers
}

function withDefaultType(fields: Iterable<readonly [string, string]>, isText: boolean): string | undefined {
  let hasType = !isText
  let lines: string | undefined
  for (const [name, value] of fields) {
    const line = headerLine(name, String(value))
    lines = lines === undefined ? line : `${lines}\n${line}`
    hasType ||= name.length === 12 && name.toLowerCase() === 'content-type'
  }
  return hasType ? lines : `${lines === undefined ? '' : `${lines}\n`}content-type\ntext/plain;charset=UTF-8`
}

/** So that what is encoded already is not encoded twice. */
function decodeURISafe(url: string): string {
  try {
    return decodeURI(url)
  } catch {
    return url
  }
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
Object.setPrototypeOf(HostResponse.prototype, GlobalResponse.prototype)
Object.setPrototypeOf(HostResponse, GlobalResponse)
