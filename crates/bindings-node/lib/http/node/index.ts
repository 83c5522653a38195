/** `createServer((req, res) => ...)`, in place of `node:http`'s. */

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
 */
export function createServer(options: NodeServerOptions, listener?: RequestListener): NodeServer
export function createServer(listener?: RequestListener): NodeServer
export function createServer(first: NodeServerOptions | RequestListener = {}, second?: RequestListener): NodeServer {
  return typeof first === 'function' ? new NodeServer({}, first) : new NodeServer(first, second)
}
