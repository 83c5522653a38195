/**
 * The platform's `Request`, `Response` and `Headers`, as they are before ours stand in for them.
 *
 * Node loads all three when one is first named, which takes 2 MB of heap and makes each collection longer. Under `createServer` nothing
 * names them, so they are fetched no sooner than something needs one, and our classes join theirs then.
 */

export let PlatformRequest: typeof Request
export let PlatformResponse: typeof Response
export let PlatformHeaders: typeof Headers

const joins: (() => void)[] = []

/** Has a class of ours joined to the platform's once that is there. */
export function joinPlatform(join: () => void): void {
  joins.push(join)
}

/** Fetches the platform's classes. Before, nothing may be made of ours. */
export function loadPlatform(): void {
  if (PlatformResponse !== undefined) return
  PlatformRequest = globalThis.Request
  PlatformResponse = globalThis.Response
  PlatformHeaders = globalThis.Headers
  for (const join of joins) join()
}
