/** Settings of a server, in the engine's words and in those of `node:http`. */

import { IncomingMessage, ServerResponse } from 'node:http'
import { getDefaultHighWaterMark } from 'node:stream'

import { InvalidError } from '../../errors'
import { checkFlag, checkObject } from '../../lifecycle/options'
import { guarded } from '../../logger'
import { type Limits, readLimits, readTimeouts, type Timeouts } from '../options'
import type { ServerOptions } from '../engine'
import { checkExtends, checkType, checkWhole } from './checks'

/**
 * Options of `createServer`: those of `Server`, and those of `node:http`.
 *
 * What `node:http` refuses is refused with the same error, and what the engine cannot do is an `InvalidError`. The engine sees by itself to
 * what `connectionsCheckingInterval`, `noDelay`, `keepAlive` and `keepAliveInitialDelay` are about, so that these change nothing.
 *
 * Two timeouts have defaults of their own, as `node:http` has no such thing: `timeouts.handler` and `timeouts.drain` are null, and
 * `limits.bodyBytes` is 4 GiB, since whoever reads a body bounds it.
 */
export interface NodeServerOptions extends ServerOptions {
  /** The class of requests. Default: `http.IncomingMessage`. */
  IncomingMessage?: typeof IncomingMessage
  /** The class of responses. Default: `http.ServerResponse`. */
  ServerResponse?: typeof ServerResponse
  /** Bytes that a request reads ahead, and a response holds before `write` returns false. Default: Node's. */
  highWaterMark?: number
  /** Whether header fields that came more than once are joined with commas, whatever they are. Default: no. */
  joinDuplicateHeaders?: boolean
  /** Whether writing the body of a response that has none, such as a 304, is an error. Default: no. */
  rejectNonStandardBodyWrites?: boolean
  /** `limits.headBytes`; 0 is the default of that. */
  maxHeaderSize?: number
  /** `timeouts.header`, in milliseconds; 0 waits without end. */
  headersTimeout?: number
  /** `timeouts.body`, in milliseconds; 0 waits without end. */
  requestTimeout?: number
  /** `timeouts.keepAlive`, in milliseconds; 0 waits without end. */
  keepAliveTimeout?: number
  /** Must not be true: the engine's parser has one strictness. */
  insecureHTTPParser?: boolean
  /** Must not be false: the engine refuses a request of HTTP/1.1 without `Host`. */
  requireHostHeader?: boolean
  /** Must be empty: fields of several values are sent one by one. */
  uniqueHeaders?: readonly (string | readonly string[])[]
  /** Changes nothing. */
  connectionsCheckingInterval?: number
  /** Changes nothing: small writes are never held back. */
  noDelay?: boolean
  /** Changes nothing: what waits too long for its client is closed by the timeouts. */
  keepAlive?: boolean
  /** Changes nothing. */
  keepAliveInitialDelay?: number
}

/** The most that `limits` takes. */
const MOST_BODY_BYTES = 2 ** 32 - 1

/** The longest that the engine can wait, in seconds. */
const LONGEST = 999_999_999

const FLAGS = ['joinDuplicateHeaders', 'rejectNonStandardBodyWrites', 'insecureHTTPParser', 'requireHostHeader'] as const
const MILLISECONDS = ['headersTimeout', 'requestTimeout', 'keepAliveTimeout', 'connectionsCheckingInterval'] as const

/** Makes the engine's settings of what was given, and refuses what cannot be kept. */
export function readSettings(options: NodeServerOptions): { limits: Limits; timeouts: Timeouts } {
  checkTypes(options)
  checkOurs(options)
  checkPossible(options)
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = options
  const limits = readLimits({ bodyBytes: MOST_BODY_BYTES, ...given('headBytes', maxHeaderSize || undefined), ...options.limits })
  const timeouts = readTimeouts({
    handler: null,
    drain: null,
    ...given('header', headersTimeout, seconds),
    ...given('body', requestTimeout, seconds),
    ...given('keepAlive', keepAliveTimeout, seconds),
    ...options.timeouts,
  })
  return { limits, timeouts }
}

/** Those of `node:http`. */
function checkTypes(options: NodeServerOptions): void {
  for (const name of FLAGS) checkType(`options.${name}`, options[name], 'boolean')
  for (const name of MILLISECONDS) checkWhole(name, options[name], 0)
  checkWhole('maxHeaderSize', options.maxHeaderSize, 0)
  checkWhole('options.highWaterMark', options.highWaterMark, 0)
  checkType('options.keepAliveInitialDelay', options.keepAliveInitialDelay, 'number')
  checkExtends('options.IncomingMessage', options.IncomingMessage, IncomingMessage)
  checkExtends('options.ServerResponse', options.ServerResponse, ServerResponse)
}

/** Those of `Server`. */
function checkOurs({ limits, timeouts, accessLog, logger }: NodeServerOptions): void {
  if (limits !== undefined) checkObject('limits', limits, '{ bodyBytes: ... }')
  if (timeouts !== undefined) checkObject('timeouts', timeouts, '{ header: ... }')
  checkFlag('accessLog', accessLog)
  if (logger !== undefined) guarded(logger)
}

/** Those that the engine could not keep. */
function checkPossible({ insecureHTTPParser, requireHostHeader, uniqueHeaders }: NodeServerOptions): void {
  if (insecureHTTPParser)
    throw new InvalidError('insecureHTTPParser is true, but the engine refuses what RFC 9112 does not allow; leave it out')
  if (requireHostHeader === false)
    throw new InvalidError('requireHostHeader is false, but the engine refuses HTTP/1.1 without Host, as RFC 9112 has it; leave it out')
  if (Array.isArray(uniqueHeaders) && uniqueHeaders.length > 0)
    throw new InvalidError("uniqueHeaders names fields, but values are sent one by one; leave it out, and join them by '; ' in setHeader")
}

export function highWaterMarkOf({ highWaterMark }: NodeServerOptions): number {
  return highWaterMark ?? getDefaultHighWaterMark(false)
}

/** Milliseconds as seconds; 0 is none. */
export function seconds(milliseconds: number): number | null {
  return milliseconds > 0 ? Math.min(milliseconds / 1000, LONGEST) : null
}

/** Seconds as milliseconds, to the microsecond: division by 1000 and back does not give every number again. */
export function milliseconds(seconds: number | null): number {
  return seconds === null ? 0 : Math.round(seconds * 1e6) / 1000
}

function given<T>(name: string, value: T | undefined, change: (value: T) => unknown = value => value): object {
  return value === undefined ? {} : { [name]: change(value) }
}
