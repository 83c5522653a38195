/** From what a handler returned, or threw, to the response. */

import { ClientDisconnected, ClosedError, HTTPError, InvalidError, StaleError } from '../errors'
import { isBytes, toBytes } from './bytes'
import type { Exchange } from './exchange'
import { headerLines, unframed } from './headers'
import { MEDIA, partsOf } from './response'
import type { Piece } from '../native'

const GlobalResponse = globalThis.Response

/** Answers with what a handler returned. A stream is sent by the promise that is returned. */
export function answer(exchange: Exchange, value: unknown): void | Promise<void> {
  if (typeof value === 'string') return exchange.respond(200, MEDIA.text, undefined, value)
  if (value === undefined) return exchange.respond(204, MEDIA.none, undefined, undefined)
  if (typeof value === 'object' && value !== null) {
    if (value instanceof GlobalResponse) return answerResponse(exchange, value as Response)
    if (isBytes(value)) return exchange.respond(200, MEDIA.bytes, undefined, toBytes(value))
    if (value instanceof ReadableStream) return stream(exchange, undefined, fromReader(value.getReader()))
    if (Symbol.asyncIterator in value) return stream(exchange, undefined, value as AsyncIterable<unknown>)
    if (value instanceof Blob) return answerResponse(exchange, new GlobalResponse(value))
  }
  const text = JSON.stringify(value)
  if (text === undefined) {
    throw new InvalidError(`a handler returned ${describe(value)}; return a Response, text, bytes, a stream or what JSON can hold`)
  }
  exchange.respond(200, MEDIA.json, undefined, text)
}

/** Answers with a `Response`, of whichever kind. */
export function answerResponse(exchange: Exchange, response: Response): void | Promise<void> {
  const parts = partsOf(response)
  if (parts !== undefined) return exchange.respond(parts.status, parts.media, parts.lines, parts.body)
  if (response.status < 200) throw new InvalidError(`a handler returned a response of status ${response.status}; use 200 to 599`)
  const lines = headerLines(unframed(response.headers))
  const { body } = response
  if (body === null) return exchange.respond(response.status, MEDIA.none, lines, undefined)
  if (response.bodyUsed || body.locked) throw new InvalidError('a handler returned a response whose body was read already')
  return sendBody(exchange, { status: response.status, lines }, body.getReader())
}

/** Sends a platform's body: whole, if it was there already, as text that the platform has made a stream of is; else as a stream. */
async function sendBody(exchange: Exchange, head: StreamHead, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const first = await reader.read()
  const second = first.done ? undefined : reader.read()
  const isWhole = first.done || (await soon(second!))?.done === true
  if (!isWhole) return stream(exchange, head, fromReader(reader, [Promise.resolve(first), second!]))
  if (exchange.cause === undefined) exchange.respond(head.status, MEDIA.none, head.lines, first.value)
}

/** What a promise gives within a few microtasks; nothing if it takes longer. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let given: T | undefined
  promise.then(
    value => (given = value),
    () => {},
  )
  for (let turn = 0; turn < 8 && given === undefined; turn++) await undefined
  return given
}

/** Answers with what a handler threw: the client learns of an `HTTPError` alone. Returns whether it was anything else. */
export function fail(exchange: Exchange, error: unknown): boolean {
  // The request may have ended meanwhile: nobody is left to be told.
  if (exchange.cause !== undefined && isOfTheEnd(error)) return false
  const isKnown = error instanceof HTTPError
  refuse(exchange, isKnown ? error : new HTTPError(500))
  return !isKnown
}

/** Sends problem details, or closes the connection of a response that has begun. */
function refuse(exchange: Exchange, error: HTTPError): void {
  if (exchange.cause !== undefined) return
  if (exchange.isAnswered) return exchange.abort()
  const { status, detail, errors } = error
  const problem = { type: 'about:blank', title: error.title ?? titles()[status] ?? 'Error', status, detail, errors }
  const fields = { ...error.headers, 'content-type': 'application/problem+json' }
  exchange.respond(status, MEDIA.none, headerLines(Object.entries(fields)), JSON.stringify(problem))
}

function titles(): Readonly<Record<number, string | undefined>> {
  return (require('node:http') as typeof import('node:http')).STATUS_CODES
}

function isOfTheEnd(error: unknown): boolean {
  return error instanceof StaleError || error instanceof ClosedError || error instanceof ClientDisconnected || isAbort(error)
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

interface StreamHead {
  status: number
  lines: string | undefined
}

/** Sends a response piece by piece, and asks for the next when there is room for it. The client's leaving ends the source. */
async function stream(exchange: Exchange, head: StreamHead | undefined, source: AsyncIterable<unknown>): Promise<void> {
  const pieces = source[Symbol.asyncIterator]()
  exchange.onEnded(cause => {
    if (cause !== 'done') Promise.resolve(pieces.return?.()).catch(() => {})
  })
  try {
    let next = await pieces.next()
    if (exchange.cause !== undefined) return
    begin(exchange, head, next.value)
    for (; !next.done; next = await pieces.next()) {
      if (!(await send(exchange, piece(next.value)))) return
    }
    if (exchange.cause === undefined) exchange.finish()
  } catch (error) {
    await pieces.return?.()
    throw error
  }
}

function begin(exchange: Exchange, head: StreamHead | undefined, first: unknown): void {
  if (head !== undefined) exchange.respondStreamed(head.status, MEDIA.none, head.lines)
  else exchange.respondStreamed(200, typeof first === 'string' ? MEDIA.text : MEDIA.bytes, undefined)
}

/** Writes a piece when there is room. Returns false if the client has left. */
async function send(exchange: Exchange, bytes: Piece): Promise<boolean> {
  if (bytes.length === 0) return exchange.cause === undefined
  while (exchange.cause === undefined) {
    if (exchange.write(bytes)) return true
    await new Promise<void>(resolve => exchange.onDrained(resolve))
  }
  return false
}

function piece(value: unknown): Piece {
  if (typeof value === 'string') return value
  if (isBytes(value)) return toBytes(value)
  throw new InvalidError(`a stream gave ${describe(value)}; give text or bytes`)
}

/** Reads a stream, after what was asked of it already; leaving early cancels it, also while it is waited for. */
function fromReader(reader: ReadableStreamDefaultReader<unknown>, asked: Promise<unknown>[] = []): AsyncIterable<unknown> {
  const pieces: AsyncIterator<unknown> = {
    next: () => (asked.shift() ?? reader.read()) as Promise<IteratorResult<unknown>>,
    return: async () => {
      await reader.cancel().catch(() => {})
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => pieces }
}

function describe(value: unknown): string {
  return typeof value === 'function' ? 'a function' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
