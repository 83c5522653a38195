/** From what a handler returned, or threw, to the response. */

import { isNativeError } from 'node:util/types'

import { describe } from '../describe'
import { ClientDisconnected, ClosedError, HTTPError, InvalidError, StaleError } from '../errors'
import { isBytes, toBytes } from './bytes'
import type { Exchange } from './exchange'
import { headerLines, unframed } from './headers'
import { PlatformResponse } from './platform'
import { isLight, MEDIA, partsOf } from './response'
import { discard, IterableSource, type Source, StreamSource } from './source'
import type { Piece } from '../native'

/** Answers with what a handler returned. A stream is sent by the promise that is returned. */
export function answer(exchange: Exchange, value: unknown): void | Promise<void> {
  if (typeof value === 'string') return exchange.respond(200, MEDIA.text, undefined, value)
  if (value === undefined) return exchange.respond(204, MEDIA.none, undefined, undefined)
  if (typeof value === 'object' && value !== null) {
    if (value instanceof PlatformResponse) return answerResponse(exchange, value as Response)
    if (isBytes(value)) return exchange.respond(200, MEDIA.bytes, undefined, toBytes(value))
    if (value instanceof ReadableStream) return stream(exchange, undefined, new StreamSource(value))
    if (Symbol.asyncIterator in value) return stream(exchange, undefined, new IterableSource(value as AsyncIterable<unknown>))
    if (value instanceof Blob) return answerResponse(exchange, new PlatformResponse(value))
  }
  exchange.respond(200, MEDIA.json, undefined, toJson(value))
}

/** Writes what a handler returned as JSON. Throws what is an error, and refuses what JSON would have nothing of. */
export function toJson(value: unknown): string {
  if (value instanceof Error || isNativeError(value)) throw value
  if (isIterator(value)) throw new InvalidError('a handler returned a generator that is not async; make it async, as in async function*')
  const text = JSON.stringify(value)
  if (text !== undefined) return text
  throw new InvalidError(`a handler returned ${describe(value)}; return a Response, text, bytes, a stream or what JSON can hold`)
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
  return sendBody(exchange, { status: response.status, lines }, body)
}

/** Ends what a handler gave, and is not sent: its request has ended meanwhile, or it cannot be sent. It never throws. */
export function discardAnswer(value: unknown): void {
  if (!(value instanceof PlatformResponse)) discard(value)
  else if (!isLight(value as Response)) discard((value as Response).body)
}

/**
 * Sends a platform's body: whole, if it is there already, as text that the platform has made a stream of is; else as a stream, whose head
 * does not wait for its first piece.
 */
async function sendBody(exchange: Exchange, head: StreamHead, body: ReadableStream<unknown>): Promise<void> {
  const source = new StreamSource(body)
  leaveWhenEnded(exchange, source)
  const first = await soon(source.ask())
  const last = first === undefined || first.done ? first : await soon(source.ask())
  if (exchange.cause !== undefined) return
  if (!last?.done) return pump(exchange, head, source)
  source.isExhausted = true
  exchange.respond(head.status, MEDIA.none, head.lines, first!.done ? undefined : piece(first!.value))
}

/** What a promise gives within a few turns of microtasks; nothing if it takes longer. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let isSettled = false
  const settled = () => {
    isSettled = true
  }
  promise.then(settled, settled)
  for (let turn = 0; turn < 8 && !isSettled; turn++) await undefined
  return isSettled ? promise : undefined
}

/** Answers with what a handler threw: the client learns of an `HTTPError` alone. Throws if that cannot be written. */
export function fail(exchange: Exchange, error: unknown): void {
  refuse(exchange, error instanceof HTTPError ? error : new HTTPError(500))
}

/** Answers when nothing else could. */
export function giveUp(exchange: Exchange): void {
  if (exchange.isOver) return
  try {
    if (!exchange.isAnswered) return exchange.respond(500, MEDIA.none, undefined, undefined)
  } catch {
    // Then without a response.
  }
  exchange.abort()
}

/** Whether an error says no more than that the request has ended: nobody is left to be told. */
export function isMoot(exchange: Exchange, error: unknown): boolean {
  return exchange.isOver && isOfTheEnd(error)
}

/** Sends problem details, or closes the connection of a response that has begun. */
function refuse(exchange: Exchange, error: HTTPError): void {
  if (exchange.isOver) return
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

/** Sends a response piece by piece. The client's leaving ends the source. */
async function stream(exchange: Exchange, head: StreamHead | undefined, source: Source): Promise<void> {
  leaveWhenEnded(exchange, source)
  await pump(exchange, head, source)
}

/** Ends a source whose response ends before it does: the client has left, or wants no body, as for a HEAD. */
function leaveWhenEnded(exchange: Exchange, source: Source): void {
  exchange.onEnded(() => {
    if (!source.isExhausted) source.leave()
  })
}

/** Sends pieces, and asks for the next when there is room for it. Without a head the first piece says what it is. */
async function pump(exchange: Exchange, head: StreamHead | undefined, source: Source): Promise<void> {
  try {
    if (head !== undefined) begin(exchange, head, undefined)
    let next = await source.next()
    if (exchange.cause !== undefined) return
    if (head === undefined) begin(exchange, head, next.done ? undefined : piece(next.value))
    for (; !next.done; next = await source.next()) {
      if (!(await send(exchange, piece(next.value)))) return
    }
    source.isExhausted = true
    if (exchange.cause === undefined) exchange.finish()
  } catch (error) {
    if (exchange.cause !== undefined && source.failsWhenLeft) return
    source.leave()
    throw error
  }
}

function begin(exchange: Exchange, head: StreamHead | undefined, first: Piece | undefined): void {
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

/** Whether it is what a generator makes, or an iterator like it, which is walked once. */
function isIterator(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as { next?: unknown }).next === 'function' && Symbol.iterator in value
}
