/** Header fields: of requests, looked up without being copied; of responses, on their way to the engine. */

import { InvalidError } from '../errors'
import type { Exchange } from './exchange'
import { flawOf, inner } from './field'
import { joinPlatform, PlatformHeaders } from './platform'

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
      this.#real = new PlatformHeaders()
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
joinPlatform(() => Object.setPrototypeOf(RequestHeaders.prototype, PlatformHeaders.prototype))

/** Writes a field as the engine reads it, and refuses what would break the response. White space around the value is no part of it. */
export function headerLine(name: string, given: string): string {
  const value = inner(given)
  const flaw = flawOf(name, value)
  if (flaw !== '') throw new InvalidError(flaw)
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

/** Writes what a `Response` is given as its headers, and the type of its text if they have none. */
export function initLines(given: object, isText: boolean): string | undefined {
  const isList = Symbol.iterator in given
  let types = 0
  let lines: string | undefined
  for (const field of isList ? (given as Iterable<unknown>) : Object.keys(given)) {
    const [name, value] = isList ? asPair(field) : [field as string, (given as Record<string, unknown>)[field as string]]
    const line = headerLine(name, String(value))
    lines = lines === undefined ? line : `${lines}\n${line}`
    if (name.length === 12 && name.toLowerCase() === 'content-type') types += 1
  }
  // A type in two spellings is one field.
  if (types > 1) return headerLines(new PlatformHeaders(given as Headers))
  return types > 0 || !isText ? lines : `${lines === undefined ? '' : `${lines}\n`}content-type\ntext/plain;charset=UTF-8`
}

/** Makes header fields of their lines. */
export function linesToHeaders(lines: string | undefined): Headers {
  const headers = new PlatformHeaders()
  const parts = lines === undefined ? [] : lines.split('\n')
  for (let at = 0; at < parts.length; at += 2) headers.append(parts[at]!, parts[at + 1]!)
  return headers
}

function asPair(field: unknown): [string, unknown] {
  const parts = Array.isArray(field) ? field : [...(field as Iterable<unknown>)]
  if (parts.length !== 2) throw new TypeError(`a header field is given as ${parts.length} values; give pairs of a name and a value`)
  return [String(parts[0]), parts[1]]
}

/** Leaves out that a stream is chunked, as Hono's `streamText` says of its own: it is the engine's to write. */
export function unframed(headers: Headers): Iterable<[string, string]> {
  if (headers.get('transfer-encoding')?.toLowerCase() !== 'chunked') return headers
  return [...headers].filter(([name]) => name !== 'transfer-encoding')
}
