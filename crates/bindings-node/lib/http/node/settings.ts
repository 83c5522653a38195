/** Settings of a server, in the engine's words and in those of `node:http`. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { getDefaultHighWaterMark } from 'node:stream'

import { InvalidError } from '../../errors'
import { type Limits, readLimits, readTimeouts, type Timeouts } from '../options'
import type { ServerOptions } from '../server'

/**
 * Options of `createServer`: those of `Server`, and those of `node:http` that have a meaning here. Others of that are ignored.
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
  /** `limits.headBytes`. */
  maxHeaderSize?: number
  /** `timeouts.header`, in milliseconds; 0 waits without end. */
  headersTimeout?: number
  /** `timeouts.body`, in milliseconds; 0 waits without end. */
  requestTimeout?: number
  /** `timeouts.keepAlive`, in milliseconds; 0 waits without end. */
  keepAliveTimeout?: number
  /** Must not be true: the engine's parser has one strictness. */
  insecureHTTPParser?: boolean
}

/** The most that `limits` takes. */
const MOST_BODY_BYTES = 2 ** 32 - 1

/** Makes the engine's settings of what was given. */
export function readSettings(options: NodeServerOptions): { limits: Limits; timeouts: Timeouts } {
  if (options.insecureHTTPParser) {
    throw new InvalidError('insecureHTTPParser is true, but the engine refuses what RFC 9112 does not allow; leave it out')
  }
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = options
  const limits = readLimits({ bodyBytes: MOST_BODY_BYTES, ...given('headBytes', maxHeaderSize), ...options.limits })
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

export function highWaterMarkOf({ highWaterMark }: NodeServerOptions): number {
  return highWaterMark ?? getDefaultHighWaterMark(false)
}

/** Milliseconds as seconds; 0 is none. */
function seconds(milliseconds: number): number | null {
  return milliseconds > 0 ? milliseconds / 1000 : null
}

function given<T>(name: string, value: T | undefined, change: (value: T) => unknown = value => value): object {
  return value === undefined ? {} : { [name]: change(value) }
}
