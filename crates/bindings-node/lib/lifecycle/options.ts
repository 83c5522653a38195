/** How long the steps of an application's life may take, and how its workers are supervised. */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import type { NativeLifetimes, NativePolicy } from './native'

/** How an application starts and stops. Times are seconds; `null` waits without end. */
export interface Lifetimes {
  /** `levels`: all of one level start before any of the next. `dependencies`: each as soon as what it depends on is up. Default: `levels`. */
  order: 'levels' | 'dependencies'
  /** For the whole start. Default: none. */
  startTimeout: number | null
  /** For one factory, one start of a hook or one ready gate that has no timeout of its own. Default: 15 s. */
  stepTimeout: number | null
  /** For one stop of a hook or worker, and for one teardown, that has no timeout of its own. Default: 5 s. */
  stopStepTimeout: number | null
  /** For the whole stop, and for undoing a failed start. A fifth of it is kept for teardowns. Default: 28 s; Kubernetes grants 30. */
  stopTimeout: number | null
  /** From the moment it says that it is not ready until its listener closes, so that a load balancer can notice. Default: 0 s. */
  preStopDelay: number
  /** For what was cancelled, before it is abandoned. Default: 1 s. */
  grace: number
  /** For all that is left, after a second signal. Default: 1 s. */
  cutShort: number
  /** For the last users of a value that was replaced, before it is taken back all the same. Default: 30 s. */
  retireTimeout: number | null
  /** How long one call may keep the loop from going on before that is logged. Default: 0.1 s. */
  blockedAfter: number
}

/** How a worker is supervised. Times are seconds. */
export interface Policy {
  /** When it is run again: `always` after a normal return too. Default: `on-failure`. */
  restart: 'never' | 'on-failure' | 'always'
  /** The wait before the first restart. Default: 0.2 s. */
  backoff: number
  /** How much longer each next wait is, from 1 to 1000. Default: 2. */
  factor: number
  /** The longest wait. Default: 30 s. */
  maxBackoff: number
  /** The part of a wait that is random, from 0 to 1. Default: 0.1. */
  jitter: number
  /** Restarts within `window`; one more and it is exhausted. Default: 5. */
  maxRestarts: number
  /** Default: 60 s. */
  window: number
  /** A run of this length makes earlier restarts forgotten. Default: 60 s. */
  stableAfter: number
  /** What follows when it is exhausted: `degrade` goes on without it, `restart-dependents` runs it and what is `after` it anew. Default: `stop-app`. */
  onExhausted: 'stop-app' | 'degrade' | 'restart-dependents'
  /** Whether the start waits until the worker calls `ready()`. Default: no. */
  ready: boolean
  /** The longest time between two calls of `tick()`; longer is a failure. Default: it need not tick. */
  watchdog: number | null
}

const LIFETIMES: Lifetimes = {
  order: 'levels',
  startTimeout: null,
  stepTimeout: 15,
  stopStepTimeout: 5,
  stopTimeout: 28,
  preStopDelay: 0,
  grace: 1,
  cutShort: 1,
  retireTimeout: 30,
  blockedAfter: 0.1,
}

const POLICY: Policy = {
  restart: 'on-failure',
  backoff: 0.2,
  factor: 2,
  maxBackoff: 30,
  jitter: 0.1,
  maxRestarts: 5,
  window: 60,
  stableAfter: 60,
  onExhausted: 'stop-app',
  ready: false,
  watchdog: null,
}

/** Fills in what is not given, and refuses what cannot be kept. */
export function readLifetimes(given: Partial<Lifetimes> = {}): Lifetimes {
  const lifetimes = merge('lifetimes', LIFETIMES, given)
  oneOf('lifetimes.order', lifetimes.order, 'levels', 'dependencies')
  for (const name of ['startTimeout', 'stepTimeout', 'stopStepTimeout', 'stopTimeout', 'retireTimeout'] as const) {
    checkSeconds(`lifetimes.${name}`, lifetimes[name])
  }
  for (const name of ['preStopDelay', 'grace', 'cutShort', 'blockedAfter'] as const) checkLength(`lifetimes.${name}`, lifetimes[name])
  return lifetimes
}

/** The same of a policy. */
export function readPolicy(given: Partial<Policy>, where = 'worker'): Policy {
  const policy = merge(where, POLICY, given)
  const named = (name: keyof Policy) => `${where}: ${name}`
  oneOf(named('restart'), policy.restart, 'never', 'on-failure', 'always')
  oneOf(named('onExhausted'), policy.onExhausted, 'stop-app', 'degrade', 'restart-dependents')
  checkLength(named('backoff'), policy.backoff)
  checkLength(named('maxBackoff'), policy.maxBackoff)
  for (const name of ['window', 'stableAfter'] as const)
    checkNumber(named(name), policy[name], value => value > 0 && value < 1e9, 'seconds above 0')
  checkSeconds(named('watchdog'), policy.watchdog)
  checkNumber(named('factor'), policy.factor, value => value >= 1 && value <= 1000, 'a number from 1 to 1000')
  checkNumber(named('jitter'), policy.jitter, value => value >= 0 && value <= 1, 'a number from 0 to 1')
  checkNumber(named('maxRestarts'), policy.maxRestarts, value => Number.isInteger(value) && value >= 0 && value < 2 ** 32, '0 or more')
  checkFlag(named('ready'), policy.ready)
  return policy
}

/** The names of what a policy has. */
export const POLICY_OPTIONS: readonly string[] = Object.keys(POLICY)

/** Refuses what is neither a number of seconds above 0 nor null. */
export function checkSeconds(name: string, value: unknown): void {
  if (value === null || value === undefined || (typeof value === 'number' && value > 0 && value < 1e9)) return
  throw new InvalidError(`${name} is ${describe(value)}; use seconds above 0, or null to wait without end`)
}

/** A time as the native layer takes it. It has no word for a step that may take as long as the whole. */
export function nativeSeconds(time: number | null | undefined): number | undefined {
  return time === null ? 999_999_999 : time
}

/** Lifetimes as the native layer takes them: what is absent has no end. */
export function nativeLifetimes(lifetimes: Lifetimes, drainTimeout: number | null): NativeLifetimes {
  return withoutNull({ ...lifetimes, drainTimeout }) as NativeLifetimes
}

/** A policy as the native layer takes it. */
export function nativePolicy(policy: Policy): NativePolicy {
  return withoutNull({ ...policy }) as NativePolicy
}

function withoutNull(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
}

/** Refuses what is no object of options, and options that there are not, such as those of another name. */
export function checkOptions(where: string, given: unknown, known: readonly string[], example = known[0]): asserts given is object {
  checkObject(where, given, `{ ${example}: ... }`)
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw new InvalidError(`${where} has the option ${name}; there are ${known.join(', ')}`)
  }
}

/** Whether it is an object as it is written down, `{ ... }`: of no class, whatever realm it is from. */
export function isPlain(given: unknown): given is object {
  if (typeof given !== 'object' || given === null || Symbol.iterator in given) return false
  const prototype = Object.getPrototypeOf(given) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Refuses what is no object of options. */
export function checkObject(where: string, given: unknown, example: string): asserts given is object {
  if (typeof given !== 'object' || given === null || Symbol.iterator in given)
    throw new InvalidError(`${where} is given ${describe(given)}; give it an object of options, such as ${example}`)
}

/** Refuses what is neither true nor false. */
export function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw new InvalidError(`${name} is ${describe(value)}; use true or false`)
}

function checkLength(name: string, value: unknown): void {
  checkNumber(name, value, number => number >= 0 && number < 1e9, 'seconds from 0 on')
}

function checkNumber(name: string, value: unknown, isRight: (value: number) => boolean, wanted: string): void {
  if (typeof value !== 'number' || !isRight(value)) throw new InvalidError(`${name} is ${describe(value)}; use ${wanted}`)
}

function oneOf(name: string, value: string, ...known: string[]): void {
  if (!known.includes(value)) {
    throw new InvalidError(`${name} is ${describe(value)}; use ${known.map(word => `'${word}'`).join(' or ')}`)
  }
}

/** Fills in what is not given, and refuses what is no setting. */
export function merge<T extends object>(where: string, defaults: T, given: Partial<T>): T {
  checkOptions(where, given, Object.keys(defaults))
  return { ...defaults, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}
