/** What to do with an error that is nobody's who is on the stack. */

/** Throws in a tick of its own, so that it is an `uncaughtException` of the process, and stops nothing else. */
export function rethrow(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
