/** From a response's header fields, in each form that `writeHead` takes, to the lines that the engine reads. */

import { validateHeaderName, validateHeaderValue } from 'node:http'

import { failure } from './failures'
import { kOutHeaders, type OutHeaders, type Reply } from './internals'

/**
 * Writes the fields as lines; nothing is undefined.
 *
 * What they say of the connection is noted on the response, and so is the body's length, which is left out of the lines: whether it is
 * sent shows when the body does. `Transfer-Encoding` is the engine's to write.
 */
export function fieldLines(reply: Reply, headers: unknown): string | undefined {
  let lines: string | undefined
  if (headers === reply[kOutHeaders]) {
    // `setHeader` has checked them.
    for (const name in headers as OutHeaders) lines = add(reply, lines, name, (headers as OutHeaders)[name]![1])
  } else if (headers !== null && headers !== undefined) {
    for (const [name, value] of pairs(headers as object)) lines = add(reply, lines, checked(name, value), value)
  }
  return reply.shouldKeepAlive ? lines : join(lines, 'connection', 'close')
}

/** Writes one field more. */
export function join(lines: string | undefined, name: string, value: unknown): string {
  return lines === undefined ? `${name}\n${value}` : `${lines}\n${name}\n${value}`
}

/** Names and values, of an object, of pairs, or of a list in which they take turns. */
function pairs(headers: object): Iterable<[string, unknown]> {
  if (!Array.isArray(headers)) return Object.entries(headers)
  if (Array.isArray(headers[0])) return headers as [string, unknown][]
  if (headers.length % 2 !== 0) throw failure(TypeError, 'ERR_INVALID_ARG_VALUE', "The argument 'headers' is invalid: a name has no value")
  return Array.from({ length: headers.length / 2 }, (_, at) => [headers[2 * at], headers[2 * at + 1]])
}

function checked(name: string, value: unknown): string {
  validateHeaderName(name)
  if (Array.isArray(value)) for (const each of value) validateHeaderValue(name, each)
  else validateHeaderValue(name, value as string)
  return name.toLowerCase()
}

function add(reply: Reply, lines: string | undefined, name: string, value: unknown): string | undefined {
  switch (name) {
    case 'transfer-encoding':
      return lines
    case 'connection':
      reply.shouldKeepAlive = !/(?:^|\W)close(?:$|\W)/i.test(String(value))
      if (!reply.shouldKeepAlive) return lines
      break
    case 'content-length':
      reply._contentLength = Number(value)
      return lines
  }
  if (!Array.isArray(value)) return join(lines, name, value)
  if (name === 'cookie') return join(lines, name, value.join('; '))
  for (const each of value) lines = join(lines, name, each)
  return lines
}
