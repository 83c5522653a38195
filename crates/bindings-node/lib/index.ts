/** hostloop for Node: HTTP, and the order in which a service starts and stops, inside Node's own event loop. */

// The application, and how it starts and stops.
export { App, type AppOptions, type RunOptions, type StartOptions } from './app'
export type { AppHandler } from './app/routed'
export { TestClient, type TestInit } from './app/testing'
export type { Explanation } from './lifecycle/assembly'
export type { Factory, Made, Module, Others, ProvideOptions, SupplyOptions, WorkerOptions } from './lifecycle/declare'
export type { LifecycleEvent } from './lifecycle/events'
export { type HookCalls, type HookContext, type HookOptions, Lifecycle, type WorkerContext } from './lifecycle/handles'
export {
  all,
  type Asked,
  type Class,
  type Collection,
  type Given,
  type GivenAll,
  type Key,
  lazy,
  named,
  type Need,
  optional,
  type Token,
  token,
  type Wanted,
} from './lifecycle/keys'
export type { Lazy } from './lifecycle/lazy'
export type { Lifetimes, Policy } from './lifecycle/options'
export type { GivenValues, Scope } from './lifecycle/scope'
export type { Reloads } from './lifecycle/watch'

// HTTP by itself.
export type { At } from './http/addresses'
export type { Cause, Peer } from './http/exchange'
export type { Limits, Timeouts } from './http/options'
export { HostRequest, whenEnded } from './http/request'
export { HostResponse } from './http/response'
export { createServer, type ListenOptions, type NodeServer, type NodeServerOptions, type RequestListener } from './http/node'
export { type ConnectionInfo, type FetchApplication, serve, type ServeOptions } from './http/serve'
export type { Access } from './http/access'
export type { Logger, ServerOptions } from './http/engine'
export { type Handler, Server } from './http/server'

// Errors.
export * from './errors'
