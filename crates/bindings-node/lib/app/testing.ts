/** Requests of an application without a socket. */

import { InvalidError } from '../errors'
import type { Server } from '../http/server'
import { checkObject } from '../lifecycle/options'

/** What a test sends: as for `fetch`, and `json` for a body that is sent as JSON. */
export interface TestInit extends RequestInit {
  json?: unknown
}

/**
 * Makes requests of an application, through the whole server, without a socket. `app.test()` makes one.
 *
 * ```js
 * const client = await app.test()
 * assert.equal((await client.get('/')).status, 200)
 * await client.close()
 * ```
 */
export class TestClient {
  readonly #server: Server
  readonly #stop: () => Promise<void>

  /** @internal */
  constructor(server: Server, stop: () => Promise<void>) {
    this.#server = server
    this.#stop = stop
  }

  /** Makes a request. The input may be a path. Redirects are not followed. */
  async fetch(input: string | URL | Request, init: TestInit = {}): Promise<Response> {
    checkObject('a request', init, '{ method: ... }')
    const { json, ...rest } = init
    if (json === undefined) return this.#server.fetch(input, rest)
    if (rest.body !== undefined && rest.body !== null) throw new InvalidError('a request is given json and body; give one of them')
    const headers = new Headers(rest.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return this.#server.fetch(input, { ...rest, headers, body: JSON.stringify(json) })
  }

  /** Makes a GET. */
  get(path: string, init?: TestInit): Promise<Response> {
    return this.fetch(path, { ...init, method: 'GET' })
  }

  /** Makes a POST. */
  post(path: string, init?: TestInit): Promise<Response> {
    return this.fetch(path, { ...init, method: 'POST' })
  }

  /** Makes a PUT. */
  put(path: string, init?: TestInit): Promise<Response> {
    return this.fetch(path, { ...init, method: 'PUT' })
  }

  /** Makes a PATCH. */
  patch(path: string, init?: TestInit): Promise<Response> {
    return this.fetch(path, { ...init, method: 'PATCH' })
  }

  /** Makes a DELETE. */
  delete(path: string, init?: TestInit): Promise<Response> {
    return this.fetch(path, { ...init, method: 'DELETE' })
  }

  /** Stops the application. Throws what has failed. */
  close(): Promise<void> {
    return this.#stop()
  }

  /** Stops the application. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
