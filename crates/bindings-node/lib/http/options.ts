/** Limits and timeouts of a server. */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import { checkSeconds, merge } from '../lifecycle/options'

/** How much a server takes before it refuses. */
export interface Limits {
  /** Bytes of a request's head, from the request line to the empty line, up to 1 MiB. More is a 431. Default: 32 KiB. */
  headBytes: number
  /** Bytes of a request's target, path and query, up to 65,534. More is a 414. Default: 8 KiB. */
  targetBytes: number
  /** Header fields of a request, up to 24,576. More is a 431. Default: 100. */
  headerCount: number
  /** Bytes of a request's body. More is a 413. Default: 16 MiB. */
  bodyBytes: number
  /** Open connections. Beyond it, clients wait in the listener's queue. Default: 65,536. */
  connections: number
  /** Requests that are not answered, from their head on. Beyond it a request gets a 503. Default: 16,384. */
  requests: number
  /** Bytes of bodies on their way to handlers that take them whole, over all connections. Beyond it a 503. Default: 256 MiB. */
  gatheredBytes: number
  /** Bytes of one streamed response that wait to be sent, before its source waits. Default: 256 KiB. */
  streamBytes: number
  /** Bytes a second that a client must send or take once its timeout is used up. Default: 240. */
  minRate: number
}

/** How long a server waits, in seconds, in each situation by itself. `null` waits without end. */
export interface Timeouts {
  /** From the first byte of a request's head to its last. Then a 408. Default: 30 s. */
  header: number | null
  /** For a body's bytes, while the handler wants them; each earns time at `Limits.minRate`. Then a 408. Default: 30 s. */
  body: number | null
  /** From the request to the start of its response, less the time spent on its body. Then a 503, and `signal` is aborted. Default: 60 s. */
  handler: number | null
  /** For the client to take what is written; bytes earn time as in `body`. Then the connection is closed. Default: 30 s. */
  write: number | null
  /** For the next request on an open connection. Then it is closed. Default: 75 s. */
  keepAlive: number | null
  /** From the start of a drain until requests are given up and connections closed. Default: 15 s. */
  drain: number | null
}

const LIMITS: Limits = {
  headBytes: 32 * 1024,
  targetBytes: 8 * 1024,
  headerCount: 100,
  bodyBytes: 16 * 1024 * 1024,
  connections: 65_536,
  requests: 16_384,
  gatheredBytes: 256 * 1024 * 1024,
  streamBytes: 256 * 1024,
  minRate: 240,
}

/** What heads may be allowed at most. */
const MOST: Partial<Record<keyof Limits, number>> = { headBytes: 1024 * 1024, targetBytes: 65_534, headerCount: 24_576 }

const TIMEOUTS: Timeouts = { header: 30, body: 30, handler: 60, write: 30, keepAlive: 75, drain: 15 }

/** Fills in what is not given, and refuses what cannot be kept. */
export function readLimits(given: Partial<Limits> = {}): Limits {
  const limits = merge('limits', LIMITS, given)
  for (const [name, value] of Object.entries(limits)) {
    const most = MOST[name as keyof Limits] ?? 2 ** 32 - 1
    if (!Number.isInteger(value) || value < 1 || value > most) {
      throw new InvalidError(`limits.${name} is ${describe(value)}; use a whole number from 1 to ${most.toLocaleString('en')}`)
    }
  }
  return limits
}

/** The same of timeouts. */
export function readTimeouts(given: Partial<Timeouts> = {}): Timeouts {
  const timeouts = merge('timeouts', TIMEOUTS, given)
  for (const [name, value] of Object.entries(timeouts)) checkSeconds(`timeouts.${name}`, value)
  return timeouts
}

/** Those that wait without end are left out, as the native layer has it. */
export function finite(timeouts: Timeouts): Partial<Timeouts> {
  return Object.fromEntries(Object.entries(timeouts).filter(([, value]) => value !== null))
}
