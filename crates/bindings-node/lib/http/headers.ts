/** Header fields: of requests, looked up without being copied; of responses, on their way to the engine. */

import { InvalidError } from '../errors'
import type { Exchange } from './exchange'

const GlobalHeaders = globalThis.Headers

/** What a field's value may not hold: it would break the response. */
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** The header fields of a request: a `Headers` that is read where it lies. It cannot be changed, as a request's in a server cannot. */
export class RequestHeaders {
  #lines: string[]
  #first: number
  #real: Headers | undefined

  constructor(exchange: Exchange) {
    this.#lines = exchange.lines
    this.#first = exchange.firstHeader
  }

  get(name: string): string | null {
    const wanted = name.toLowerCase()
    const lines = this.#lines
    let found: string | null = null
    for (let at = this.#first; at < lines.length; at += 2) {
      if (lines[at] !== wanted) continue
      found = found === null ? lines[at + 1]! : `${found}${wanted === 'cookie' ? '; ' : ', '}${lines[at + 1]!}`
    }
    return found
  }

  has(name: string): boolean {
    return this.get(name) !== null
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, receiver?: unknown): void {
    for (const [name, value] of this.#made) callback.call(receiver, value, name, this as unknown as Headers)
  }

  keys(): ReturnType<Headers['keys']> {
    return this.#made.keys()
  }

  values(): ReturnType<Headers['values']> {
    return this.#made.values()
  }

  entries(): ReturnType<Headers['entries']> {
    return this.#made.entries()
  }

  [Symbol.iterator](): ReturnType<Headers['entries']> {
    return this.#made.entries()
  }

  getSetCookie(): string[] {
    return this.#made.getSetCookie()
  }

  append(): never {
    throw new TypeError('the headers of a request cannot be changed; make new Headers(request.headers)')
  }

  get #made(): Headers {
    if (this.#real === undefined) {
      this.#real = new GlobalHeaders()
      for (let at = this.#first; at < this.#lines.length; at += 2) {
        const name = this.#lines[at]!
        if (name === 'cookie' && this.#real.has(name)) this.#real.set(name, this.get(name)!)
        else this.#real.append(name, this.#lines[at + 1]!)
      }
    }
    return this.#real
  }
}

for (const name of ['set', 'delete']) {
  Object.defineProperty(RequestHeaders.prototype, name, { configurable: true, value: RequestHeaders.prototype.append })
}
Object.setPrototypeOf(RequestHeaders.prototype, GlobalHeaders.prototype)

/** Writes a field as the engine reads it, and refuses what would break the response. */
export function headerLine(name: string, value: string): string {
  if (!TOKEN.test(name)) {
    throw new InvalidError(`header name ${JSON.stringify(name)} is not a token; use letters, digits and -`)
  }
  if (BAD_VALUE.test(value)) {
    const fix = 'remove line breaks, control characters and characters beyond Latin-1'
    throw new InvalidError(`header ${name} has the value ${JSON.stringify(value)}, which would break the response; ${fix}`)
  }
  return `${name}\n${value}`
}

/** Writes several. Nothing is undefined. */
export function headerLines(fields: Iterable<readonly [string, string]>): string | undefined {
  let lines: string | undefined
  for (const [name, value] of fields) {
    const line = headerLine(name, String(value))
    lines = lines === undefined ? line : `${lines}\n${line}`
  }
  return lines
}

/** Leaves out that a stream is chunked, as Hono's `streamText` says of its own: it is the engine's to write. */
export function unframed(headers: Headers): Iterable<[string, string]> {
  if (headers.get('transfer-encoding')?.toLowerCase() !== 'chunked') return headers
  return [...headers].filter(([name]) => name !== 'transfer-encoding')
}
