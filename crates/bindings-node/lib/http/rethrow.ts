/** Errors that are nobody's who is on the stack. */

/** Throws in a tick of its own, so that it is an `uncaughtException` of the process, and stops nothing else. */
export function rethrow(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

/** Calls what concerns others than those who come after it: what it throws is nobody's of these. */
export function apart(call: () => void): void {
  try {
    call()
  } catch (error) {
    rethrow(error)
  }
}
