/**
 * Which factory asks for a value, so that one that would wait for itself is told so.
 *
 * Following the context through promises makes every promise of the process cost more, so it is switched off as soon as no factory that
 * waits is under way.
 */

import { AsyncLocalStorage } from 'node:async_hooks'

/** A factory that runs: its container, and the command that it does. */
export interface Requester {
  readonly container: object
  readonly op: bigint
}

const storage = new AsyncLocalStorage<Requester>()
const underWay = new Set<Requester>()

/** Calls a factory so that what it asks for is known to be asked for by it, until it has ended. */
export function asRequester<T>(requester: Requester, call: () => T): T {
  underWay.add(requester)
  return storage.run(requester, call)
}

/** Notes that a factory has ended, or is waited for no more. */
export function requesterEnded(requester: Requester): void {
  if (underWay.delete(requester) && underWay.size === 0) storage.disable()
}

/** The factory of this container that asks just now. */
export function requesterOf(container: object): bigint | undefined {
  const found = underWay.size === 0 ? undefined : storage.getStore()
  return found?.container === container ? found.op : undefined
}
