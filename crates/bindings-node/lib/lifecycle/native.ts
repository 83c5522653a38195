/** The native lifecycle, as TypeScript sees it. Nodes, keys and values are numbers; times are seconds. */

import type { Mistake } from '../errors'

export interface NativeNode {
  kind: string
  label: string
  source: string
  /** A scope's name, `transient` or `inherited`. */
  scope: string
  module: number
  needs: NativeNeed[]
  provides?: number
  private?: boolean
  isAsync?: boolean
  overriding?: boolean
  builtIn?: boolean
  syncOnly?: boolean
  after?: number[]
  startTimeout?: number | undefined
  stopTimeout?: number | undefined
  policy?: NativePolicy
}

export interface NativeNeed {
  key: number
  optional: boolean
  lazy: boolean
  /** Of a collection, the key of its members. */
  member?: number
  soft?: boolean
}

export interface NativePolicy {
  restart: string
  onExhausted: string
  backoff: number
  factor: number
  maxBackoff: number
  jitter: number
  maxRestarts: number
  window: number
  stableAfter: number
  ready: boolean
  watchdog?: number | undefined
}

export interface NativeMistakes {
  text: string
  mistakes: Mistake[]
  warnings: Mistake[]
}

export interface Graph {
  key(label: string): number
  named(base: number, name: string): number
  conforms(key: number, to: number): void
  module(name: string, parent: number): number
  add(node: NativeNode): number
  alias(key: number, target: number): number
  seal(): Plan | NativeMistakes
}

export interface Plan {
  nodes(): PlannedNode[]
  order(): number[]
  warnings(): Mistake[]
  /** The node, or why there is none and what to do. */
  find(key: number): number | string
  findAll(key: number): number[]
  explain(format: string): string
}

/** A node of the plan. Each of `deps` is a node, `-1 - node` if it is asked for lazily, or null. */
export interface PlannedNode {
  kind: string
  label: string
  source: string
  depth: number
  isTransient: boolean
  isAsync: boolean
  isReached: boolean
  isReplaced: boolean
  level: number
  deps: (number | null)[]
}

export interface NativeEvent {
  at: number
  kind: string
  node?: number
  seconds?: number
  detail: string
}

export interface Failure {
  node: number
  cause: string
  /** The number of what was thrown, if something was. */
  error?: number
  message: string
}

/** What is to be done. Each argument is a value's number, 0 for none, or `-1 - node` of one that is asked for lazily. */
export type Command =
  | { name: 'construct'; op: bigint; node: number; instance: number; args: number[] }
  | { name: 'finalize'; op: bigint; node: number; instance: number; why: string; error?: number }
  | { name: 'forget'; instances: number[] }
  | { name: 'startHook' | 'stopHook'; op: bigint; hook: number; node: number; args: number[] }
  | { name: 'runWorker'; op: bigint; node: number; attempt: number; args: number[] }
  | { name: 'listen'; op: bigint; node: number }
  | { name: 'drain'; op: bigint; node: number; seconds?: number }
  | { name: 'stopWorker' | 'awaitUsers' | 'abandon'; op: bigint }
  | { name: 'cancel'; op: bigint; why: string }
  | { name: 'settle'; ticket: number; value?: number; failure?: Failure }
  /** Nodes and their new values in turn. */
  | { name: 'swap'; instances: number[] }
  | { name: 'reloaded'; generation: number; failure?: Failure }
  | { name: 'started' }
  | { name: 'stopped'; code: number; failures: Failure[] }
  | { name: 'exit'; code: number }

export type CommandOf<Name extends Command['name']> = Extract<Command, { name: Name }>

export type Outcome = 'done' | 'held' | 'failed' | 'fatal' | 'cancelled'

export interface NativeLifetimes {
  order: string
  startTimeout?: number | undefined
  stepTimeout?: number | undefined
  stopStepTimeout?: number | undefined
  stopTimeout?: number | undefined
  preStopDelay: number
  drainTimeout?: number | undefined
  grace: number
  cutShort: number
  retireTimeout?: number | undefined
  blockedAfter: number
}

export interface Run {
  readonly stage: string
  readonly isReady: boolean
  readonly isDegraded: boolean
  start(): void
  stop(code: number): void
  signal(number: number): void
  poll(): number | null
  takeCommands(): Command[]
  takeEvents(): NativeEvent[]
  began(op: bigint): void
  complete(op: bigint, outcome: Outcome, error: number): boolean
  request(node: number, requester?: bigint | null): { value?: number; ticket?: number; failure?: Failure }
  abandon(ticket: number): void
  addHook(op: bigint, label: string, source: string, startTimeout?: number, stopTimeout?: number): number
  workerReady(op: bigint): void
  workerTick(op: bigint): void
  restart(node: number): void
  reload(nodes: number[]): number
  explain(format: string): string
}

export interface ManualClock {
  readonly seconds: number
  moveTo(seconds: number): void
}

/** Methods and paths, before there is a server for them. */
export interface Routes {
  insert(method: string, path: string): void
}

interface NativeModule {
  Routes: new () => Routes
  Graph: new (scopes: string[]) => Graph
  Run: new (plan: Plan, lifetimes: NativeLifetimes, clock?: ManualClock | null) => Run
  ManualClock: new () => ManualClock
}

export const { Graph, Run, ManualClock, Routes } = require('../../native/index.js') as NativeModule
