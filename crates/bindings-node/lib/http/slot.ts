/** A worker's place among those that share a port, as the worker sees it: the sockets it inherits, and its line to the supervisor. */

import { describe } from '../describe'
import { ConflictError, InvalidError } from '../errors'

/** Descriptors that a worker inherits follow standard input, output, error, and the line to the supervisor. */
const FIRST_FD = 4
export const FDS = 'HOSTLOOP_WORKER_FDS'

/** What a worker tells its supervisor. */
export const READY = 'hostloop:ready'
export const DRAINING = 'hostloop:draining'

/** A place. */
export class Slot {
  /** The descriptors that listen. */
  readonly fds: readonly number[]

  /** @internal */
  constructor(count: number) {
    this.fds = Array.from({ length: count }, (_, index) => FIRST_FD + index)
    // A worker whose application has ended is not kept alive by its line.
    process.channel?.unref()
  }

  /** Tells the supervisor that this worker serves. */
  isReady(): void {
    tell(READY)
  }

  /** Tells the supervisor that this worker accepts no more, so that its successor starts at once. */
  isDraining(): void {
    tell(DRAINING)
  }

  /** Calls back when the supervisor has died: whoever stops this worker now, it is not the supervisor. */
  onOrphaned(callback: () => void): void {
    process.once('disconnect', callback)
  }
}

function tell(what: string): void {
  if (process.connected) process.send?.(what, undefined, undefined, () => {})
}

/** How many sockets this process has inherited, and whether somebody serves them; nothing if it is no worker. */
const inherited = readInherited()

/** Reads it once: programs that this one starts are no workers. */
function readInherited(): { count: number; isTaken: boolean } | undefined {
  const count = Number(process.env[FDS] ?? 0)
  if (!(count > 0) || process.send === undefined) return undefined
  delete process.env[FDS]
  return { count, isTaken: false }
}

/**
 * Takes this process's place among the workers, for whoever serves with this many; nothing if it is no worker, or there are none.
 *
 * @throws InvalidError if it is no number of workers, ConflictError if the place is taken.
 */
export function takeSlot(workers: number): Slot | undefined {
  checkWorkers(workers)
  if (workers === 1 || inherited === undefined) return undefined
  if (inherited.isTaken) throw new ConflictError('a program has workers twice; give workers to one serve or App.run of it')
  inherited.isTaken = true
  return new Slot(inherited.count)
}

/** Refuses what is no number of workers. */
export function checkWorkers(count: unknown): void {
  if (!Number.isInteger(count) || (count as number) < 1) throw new InvalidError(`workers is ${describe(count)}; give a whole number from 1`)
}
