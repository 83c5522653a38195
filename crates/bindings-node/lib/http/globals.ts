/** The platform's `Request` and `Response`, replaced by ones that cost little. */

import { loadPlatform, PlatformRequest } from './platform'
import { HostRequest } from './request'
import { HostResponse } from './response'

/** Has the platform's `Request` also take one of ours. */
const TAKING: ProxyHandler<typeof Request> = {
  construct(target, [input, ...rest]: [string | URL | Request, RequestInit?], newTarget: new () => unknown) {
    const given = input instanceof HostRequest ? input.real() : input
    return Reflect.construct(target, [given, ...rest], newTarget) as Request
  },
}

let TakingRequest: typeof Request | undefined

/**
 * Makes `new Response(...)` cost little for whoever uses the global, as frameworks do, and has `new Request(request)` take requests of
 * hostloop's. Both stay what they are for `instanceof`, and whatever takes a `Response` takes the new ones.
 */
export function replaceGlobals(): void {
  loadPlatform()
  define('Response', HostResponse)
  define('Request', (TakingRequest ??= new Proxy(PlatformRequest, TAKING)))
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
}
