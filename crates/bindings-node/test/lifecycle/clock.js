/** Seconds that pass only when they are let. */
class Clock {
  now = 0
  #sleepers = []
  #count = 0

  /** Waits; without end, if it is not said how long. Rejects when the signal is aborted. */
  async sleep(seconds, signal) {
    if (seconds !== null && seconds <= 0) return
    const at = seconds === null ? Infinity : round(this.now + seconds)
    await new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { at, count: this.#count++, wake: resolve }
      this.#sleepers.push(sleeper)
      signal?.addEventListener('abort', () => {
        this.#forget(sleeper)
        reject(signal.reason)
      })
    })
  }

  /** When the next sleeper is to be woken. */
  get next() {
    return this.#first?.at ?? Infinity
  }

  /** Wakes the first whose time has come, and returns whether there was one. */
  wakeOne() {
    const first = this.#first
    if (first === undefined || first.at > this.now) return false
    this.#forget(first)
    first.wake()
    return true
  }

  get #first() {
    return this.#sleepers.toSorted((a, b) => a.at - b.at || a.count - b.count)[0]
  }

  #forget(sleeper) {
    this.#sleepers = this.#sleepers.filter(other => other !== sleeper)
  }
}

/** Seconds without what adding them up leaves over. */
function round(seconds) {
  return Math.round(seconds * 1e9) / 1e9
}

/** Lets everything run that can run now. */
function settled() {
  return new Promise(resolve => setImmediate(resolve))
}

module.exports = { Clock, round, settled }
