/** The native layer's errors as classes. */

import {
  AddressError,
  ClosedError,
  ConflictError,
  EngineError,
  ForkedError,
  FullError,
  HostloopError,
  InvalidError,
  StaleError,
} from './errors'

const CLASSES: Record<string, new (message: string) => HostloopError> = {
  ERR_HOSTLOOP_INVALID: InvalidError,
  ERR_HOSTLOOP_CONFLICT: ConflictError,
  ERR_HOSTLOOP_ADDRESS_IN_USE: AddressError,
  ERR_HOSTLOOP_ADDRESS_UNAVAILABLE: AddressError,
  ERR_HOSTLOOP_STALE: StaleError,
  ERR_HOSTLOOP_CLOSED: ClosedError,
  ERR_HOSTLOOP_ENGINE: EngineError,
  ERR_HOSTLOOP_FULL: FullError,
  ERR_HOSTLOOP_FORKED: ForkedError,
}

/** Makes the typed error of what the native layer threw. Anything else is given back as it is. */
export function toHostloopError(error: unknown): unknown {
  const kind = CLASSES[(error as { code?: string } | undefined)?.code ?? '']
  return kind !== undefined && !(error instanceof HostloopError) ? new kind((error as Error).message) : error
}

/** Calls the native layer, and throws typed errors for its own. */
export function typed<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw toHostloopError(error)
  }
}
