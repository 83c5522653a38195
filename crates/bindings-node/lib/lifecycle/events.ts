/** What happens, as lines of the log, and at the diagnostics channel `hostloop:lifecycle`. */

import { channel } from 'node:diagnostics_channel'

import type { Logger } from '../logger'
import type { NativeEvent } from './native'
import type { Wiring } from './wiring'

/** What is published at `hostloop:lifecycle`. */
export interface LifecycleEvent {
  /** When, in seconds of a clock that never goes back. */
  readonly at: number
  /** What: `phase`, `constructing`, `constructed`, `hook started`, `worker backing off`, `timed out`, ... */
  readonly kind: string
  /** To what: its name and the place where it was written. Nothing if it is about the application. */
  readonly node: { readonly label: string; readonly source: string } | undefined
  /** How many seconds it took. */
  readonly seconds: number | undefined
  /** More to be read, or empty. */
  readonly detail: string
}

const events = channel('hostloop:lifecycle')

const INFO = ['phase', 'listening', 'drained', 'worker started', 'worker ready', 'worker exited', 'reloading', 'swapped', 'closed']
const WARN = ['timed out', 'abandoned', 'blocked', 'rolling back', 'worker backing off']
const ERROR = ['construct failed', 'finalize failed', 'hook failed', 'worker exhausted', 'reload failed']

/** How loud each is. All others are for debugging. */
const LEVELS = new Map<string, keyof Logger>([
  ...INFO.map(kind => [kind, 'info'] as const),
  ...WARN.map(kind => [kind, 'warn'] as const),
  ...ERROR.map(kind => [kind, 'error'] as const),
])

/** Logs and publishes one event. */
export function report(event: NativeEvent, wiring: Wiring, logger: Logger): void {
  const { at, kind, node, seconds, detail } = event
  logger[LEVELS.get(kind) ?? 'debug'](`hostloop: ${textOf(event, wiring)}`)
  if (!events.hasSubscribers) return
  const { label, source } = node === undefined ? { label: '', source: '' } : wiring.node(node)
  const told: LifecycleEvent = { at, kind, node: node === undefined ? undefined : { label, source }, seconds, detail }
  events.publish(told)
}

function textOf({ kind, node, seconds, detail }: NativeEvent, wiring: Wiring): string {
  const parts = [kind]
  if (node !== undefined) parts.push(wiring.name(node))
  if (seconds !== undefined) parts.push(seconds >= 0.01 ? `in ${seconds.toFixed(2)} s` : `in ${(seconds * 1000).toFixed(2)} ms`)
  return parts.join(' ') + (detail === '' ? '' : `: ${detail}`)
}
