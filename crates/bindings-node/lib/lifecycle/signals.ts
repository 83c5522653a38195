/** Signals, as long as an application runs. */

import { constants } from 'node:os'

/** What stops an application. */
const STOPPING = ['SIGINT', 'SIGTERM'] as const

/** A process's place under a supervisor. */
export interface Place {
  /** Calls back when the supervisor is gone. */
  onOrphaned(callback: () => void): void
}

/** Has a function told of what stops an application, by the numbers of signals. Returns what gives the signals back. */
export function onSignals(told: (number: number) => void, place?: Place): () => void {
  const handlers = STOPPING.map(signal => [signal, () => told(constants.signals[signal])] as const)
  for (const [signal, handler] of handlers) process.on(signal, handler)
  place?.onOrphaned(() => told(constants.signals.SIGTERM))
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}

/** Keeps the process alive until it is called off. */
export function stayAlive(): () => void {
  const timer = setInterval(() => {}, 2 ** 30)
  return () => clearInterval(timer)
}
