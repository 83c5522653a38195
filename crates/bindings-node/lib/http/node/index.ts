/** `createServer((req, res) => ...)`, in place of `node:http`'s. */

import { wrongType } from './checks'
import { NodeServer, type RequestListener } from './server'
import type { NodeServerOptions } from './settings'

export type { ListenOptions } from './places'
export type { NodeServer, NodeServerOptions, RequestListener }

/**
 * Makes a server that calls the listener for each request, as `node:http` does. Express, Koa and Fastify run on it unchanged.
 *
 * ```js
 * createServer(express()).listen(3000)
 * createServer(new Koa().callback()).listen(3000)
 * fastify({ serverFactory: handler => createServer(handler) })
 * ```
 *
 * @param options Settings; may be left out.
 * @param listener Is called for each request: the first listener of the event `request`.
 * @throws TypeError (`ERR_INVALID_ARG_TYPE`) or RangeError (`ERR_OUT_OF_RANGE`) for what `node:http` would not take, and InvalidError for
 *   what the engine cannot keep.
 */
export function createServer(options: NodeServerOptions | null | undefined, listener?: RequestListener): NodeServer
export function createServer(listener?: RequestListener): NodeServer
export function createServer(first?: NodeServerOptions | RequestListener | null, second?: RequestListener | null): NodeServer {
  if (typeof first === 'function') return new NodeServer({}, first)
  const options = first ?? {}
  if (typeof options !== 'object' || Array.isArray(options)) throw wrongType('options', 'of type object', options)
  return new NodeServer(options, second ?? undefined)
}
