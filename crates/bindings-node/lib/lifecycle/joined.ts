/** Those who wait for one value: they are one to the run, however many they are. */

/** A request of a value. It is settled once, and may be asked for what it gave at once. */
export class Ticket {
  readonly promise: Promise<unknown>
  /** What it has given; nothing as long as it is not settled. */
  settled: { readonly value: unknown } | { readonly error: unknown } | undefined
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Who has given up hears of it no more.
    this.promise.catch(() => {})
  }

  resolve(value: unknown): void {
    this.settled ??= { value }
    this.#resolve(value)
  }

  reject(error: unknown): void {
    this.settled ??= { error }
    this.#reject(error)
  }
}

/** Waiters of one request. Each may give up by itself. */
export class Joined {
  #waiting = 0

  /** `giveUp` is called when the last who waits has given up. */
  constructor(
    readonly ticket: Ticket,
    private readonly giveUp: () => void,
  ) {}

  /** Waits for the value, until the signal is aborted. */
  wait(signal?: AbortSignal): Promise<unknown> {
    this.#waiting += 1
    return signal === undefined ? this.ticket.promise : this.#waitUntil(signal)
  }

  #waitUntil(signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gaveUp = () => {
        this.#waiting -= 1
        if (this.#waiting === 0 && this.ticket.settled === undefined) this.giveUp()
        reject(signal.reason)
      }
      signal.addEventListener('abort', gaveUp, { once: true })
      const done = () => signal.removeEventListener('abort', gaveUp)
      this.ticket.promise.then(resolve, reject).finally(done)
    })
  }
}
