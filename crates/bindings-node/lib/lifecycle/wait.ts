/** Waiting for something, but not for ever. */

/** What a timer of the platform can wait at most, in milliseconds. */
export const LONGEST = 2 ** 31 - 1

/** Waits for a promise at most this many seconds, and returns whether it has ended. Throws what it is rejected by. */
export async function within(promise: Promise<unknown>, seconds: number | null | undefined): Promise<boolean> {
  if (seconds === null || seconds === undefined) {
    await promise
    return true
  }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => (timer = setTimeout(resolve, Math.min(seconds * 1000, LONGEST), false)))
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
