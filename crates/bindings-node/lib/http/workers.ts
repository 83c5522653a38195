/**
 * Several processes on one port, and the supervisor that replaces one that dies.
 *
 * The supervisor binds every socket and keeps it open: connections that wait in a worker's queue while the worker is replaced are
 * accepted by its successor instead of being reset. A worker runs the program again, inherits the sockets of its place, and tells the
 * supervisor when it is ready and when it begins to drain; then its successor is started beside it.
 */

import { type ChildProcess, fork } from 'node:child_process'

import { ConflictError, InvalidError, typed } from '../errors'
import { describe } from '../lifecycle/keys'
import { ListeningSocket, type NativeListeningSocket } from '../native'
import { guarded, type Logger } from '../logger'

/** Descriptors that a worker inherits follow standard input, output, error, and the line to the supervisor. */
const FIRST_FD = 4
const FDS = 'HOSTLOOP_WORKER_FDS'

const READY = 'hostloop:ready'
const DRAINING = 'hostloop:draining'

/** Seconds before a worker that died is replaced, doubled while its successors die within `STABLE`. */
const FIRST_BACKOFF = 0.1
const MAX_BACKOFF = 5
const STABLE = 10

/** A worker's place, as the worker sees it: its sockets, and its line to the supervisor. */
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

/** A worker, as the supervisor sees it. */
interface Worker {
  readonly child: ChildProcess
  readonly started: number
  wasReady: boolean
  isLeaving: boolean
}

/** What outlives the workers of a place: its sockets and its luck. */
interface Place {
  readonly sockets: NativeListeningSocket[]
  readonly workers: Worker[]
  backoff: number
  timer: NodeJS.Timeout | undefined
}

/** Keeps workers alive on the same addresses. */
export class Supervisor {
  /** Where the workers listen. */
  readonly addresses: readonly string[]
  readonly #places: Place[]
  readonly #logger: Logger
  readonly #handlers: [NodeJS.Signals, () => void][] = [
    ['SIGINT', () => this.stop()],
    ['SIGTERM', () => this.stop()],
    ['SIGHUP', () => this.restart()],
  ]
  /** Places whose worker is to be replaced when the one before has been. */
  #waiting: Place[] = []
  #stops = 0
  #wasReady = false
  #hasFailed = false
  #end: () => void = () => {}

  /**
   * Binds the addresses; nothing accepts yet.
   *
   * @param count How many workers: a whole number from 1.
   * @throws AddressError if an address cannot be listened on, or is shared by somebody else.
   */
  constructor(count: number, addresses: readonly string[], logger: Logger = console) {
    checkWorkers(count)
    this.#logger = guarded(logger)
    this.#places = Array.from({ length: count }, () => ({ sockets: [], workers: [], backoff: FIRST_BACKOFF, timer: undefined }))
    this.addresses = addresses.map(address => this.#bind(address))
  }

  /**
   * Starts the workers and supervises them until SIGINT or SIGTERM, which they answer by draining. A second signal cuts their drain
   * short, a third kills them. SIGHUP replaces the workers one by one, each when its successor is ready.
   *
   * @returns Whether workers could be started at all.
   */
  async run(): Promise<boolean> {
    const ended = new Promise<void>(resolve => (this.#end = resolve))
    for (const [signal, handler] of this.#handlers) process.on(signal, handler)
    for (const place of this.#places) this.#start(place)
    await ended
    for (const [signal, handler] of this.#handlers) process.off(signal, handler)
    this.#unbind()
    return !this.#hasFailed
  }

  /** Stops the workers: the first call has them drain, the second cuts that short, the third kills. */
  stop(): void {
    this.#stops += 1
    for (const place of this.#places) {
      clearTimeout(place.timer)
      for (const worker of place.workers) worker.child.kill(this.#stops > 2 ? 'SIGKILL' : 'SIGTERM')
    }
    // Workers take what waits in their queues; then clients are refused, and try elsewhere, instead of waiting in vain.
    this.#unbind()
    this.#endIfDone()
  }

  /** Replaces the workers one by one: each is stopped when its successor serves. */
  restart(): void {
    if (this.#stops > 0) return
    const isIdle = this.#waiting.length === 0
    this.#waiting = [...this.#places]
    if (isIdle) this.#start(this.#waiting[0]!)
  }

  #bind(address: string): string {
    if (address.startsWith('unix:')) {
      const socket = typed(() => new ListeningSocket(address, false))
      for (const place of this.#places) place.sockets.push(socket)
      return socket.address!
    }
    // Workers share their port. Whoever else shares it would get a part of the clients, so there must be nobody.
    typed(() => new ListeningSocket(address, false)).close()
    let bound = address
    for (const place of this.#places) {
      const socket = typed(() => new ListeningSocket(bound, true))
      place.sockets.push(socket)
      bound = socket.address!
    }
    return bound
  }

  #unbind(): void {
    for (const place of this.#places) for (const socket of place.sockets.splice(0)) socket.close()
  }

  #start(place: Place): void {
    if (this.#stops > 0) return
    const fds = place.sockets.map(socket => socket.fd)
    const child = fork(process.argv[1]!, process.argv.slice(2), {
      env: { ...process.env, [FDS]: String(fds.length) },
      execArgv: execArgv(),
      // A terminal sends SIGINT to the whole group; the supervisor decides.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...fds],
    })
    const worker: Worker = { child, started: performance.now(), wasReady: false, isLeaving: false }
    place.workers.push(worker)
    this.#logger.info(`hostloop: worker ${child.pid ?? '?'} started`)
    child.on('message', message => this.#told(place, worker, message))
    child.once('error', error => this.#logger.error('hostloop: a worker cannot be started', error))
    child.once('exit', (code, signal) => this.#died(place, worker, code ?? signal))
  }

  #told(place: Place, worker: Worker, message: unknown): void {
    if (message === READY) this.#isReady(place, worker)
    else if (message === DRAINING && !worker.isLeaving) {
      worker.isLeaving = true
      this.#start(place)
    }
  }

  #isReady(place: Place, worker: Worker): void {
    worker.wasReady = this.#wasReady = true
    for (const other of place.workers) {
      if (other === worker || other.isLeaving) continue
      other.isLeaving = true
      other.child.kill('SIGTERM')
    }
    if (this.#waiting[0] !== place) return
    this.#waiting.shift()
    const [next] = this.#waiting
    if (next !== undefined) this.#start(next)
  }

  #died(place: Place, worker: Worker, how: number | string | null): void {
    place.workers.splice(place.workers.indexOf(worker), 1)
    const text = `hostloop: worker ${worker.child.pid ?? '?'} ended with ${how ?? 'an error'}`
    if (how === 0) this.#logger.info(text)
    else this.#logger.error(text)
    if (this.#stops > 0) return this.#endIfDone()
    if (worker.isLeaving) return
    if (!this.#wasReady) return this.#giveUp()
    if (performance.now() - worker.started > STABLE * 1000) place.backoff = FIRST_BACKOFF
    const wait = worker.wasReady && place.backoff === FIRST_BACKOFF ? 0 : place.backoff
    place.backoff = Math.min(place.backoff * 2, MAX_BACKOFF)
    place.timer = setTimeout(() => this.#start(place), wait * 1000)
  }

  #giveUp(): void {
    this.#logger.error('hostloop: no worker could start; giving up')
    this.#hasFailed = true
    this.stop()
  }

  #endIfDone(): void {
    if (this.#places.every(place => place.workers.length === 0)) this.#end()
  }
}

/** Refuses what is no number of workers. */
export function checkWorkers(count: unknown): void {
  if (!Number.isInteger(count) || (count as number) < 1) throw new InvalidError(`workers is ${describe(count)}; give a whole number from 1`)
}

/** Every process has an inspector's port of its own. */
function execArgv(): string[] {
  const inherited = process.execArgv
  return inherited.some(argument => argument.startsWith('--inspect')) ? [...inherited, '--inspect-port=0'] : inherited
}
