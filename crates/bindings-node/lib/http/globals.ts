/** The platform's `Request` and `Response`, replaced by ones that cost little. */

import { HostRequest } from './request'
import { HostResponse } from './response'

const GlobalRequest = globalThis.Request

/** The platform's `Request`, which also takes one of ours. */
const TakingRequest = new Proxy(GlobalRequest, {
  construct(target, [input, ...rest]: [string | URL | Request, RequestInit?], newTarget: new () => unknown) {
    const given = input instanceof HostRequest ? input.real() : input
    return Reflect.construct(target, [given, ...rest], newTarget) as Request
  },
})

/**
 * Makes `new Response(...)` cost little for whoever uses the global, as frameworks do, and has `new Request(request)` take requests of
 * hostloop's. Both stay what they are for `instanceof`, and whatever takes a `Response` takes the new ones.
 */
export function replaceGlobals(): void {
  define('Response', HostResponse)
  define('Request', TakingRequest)
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
}
