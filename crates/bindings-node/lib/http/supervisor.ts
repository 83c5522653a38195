/**
 * Several processes on one port, and the supervisor that replaces one that dies.
 *
 * The supervisor binds every socket and keeps it open: connections that wait in a worker's queue while the worker is replaced are
 * accepted by its successor instead of being reset. A worker runs the program again, inherits the sockets of its place, and tells the
 * supervisor when it is ready and when it begins to drain; then its successor is started beside it.
 */

import { type ChildProcess, fork } from 'node:child_process'

import { guarded, type Logger } from '../logger'
import { checkWorkers, DRAINING, FDS, READY } from './slot'
import { Sockets } from './sockets'

/** Seconds before a worker that died is replaced, doubled while its successors die within `STABLE`. */
const FIRST_BACKOFF = 0.1
const MAX_BACKOFF = 5
const STABLE = 10

/** A worker, as the supervisor sees it. */
interface Worker {
  readonly child: ChildProcess
  readonly started: number
  wasReady: boolean
  isLeaving: boolean
}

/** What outlives the workers of a place: its number and its luck. */
interface Place {
  readonly number: number
  readonly workers: Worker[]
  backoff: number
  timer: NodeJS.Timeout | undefined
}

/** Keeps workers alive on the same addresses. */
export class Supervisor {
  readonly #sockets: Sockets
  readonly #places: Place[]
  readonly #logger: Logger
  readonly #handlers: [NodeJS.Signals, () => void][] = [
    ['SIGINT', () => this.stop()],
    ['SIGTERM', () => this.stop()],
    ['SIGHUP', () => this.restart()],
  ]
  /** The place whose worker is being replaced, and those that follow when its successor serves. */
  #replacing: Place | undefined
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
    this.#places = Array.from({ length: count }, (_, number) => ({ number, workers: [], backoff: FIRST_BACKOFF, timer: undefined }))
    this.#sockets = new Sockets(count, addresses)
  }

  /** Where the workers listen. */
  get addresses(): readonly string[] {
    return this.#sockets.addresses
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
    this.#sockets.close()
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
    this.#sockets.close()
    this.#endIfDone()
  }

  // Replacing one worker after another.

  /** Replaces the workers one by one: each is stopped when its successor serves. What is called for meanwhile begins again. */
  restart(): void {
    if (this.#stops > 0) return
    const unfinished = this.#replacing
    this.#waiting = this.#places.filter(place => place !== unfinished)
    if (unfinished === undefined) this.#replaceNext()
    else this.#replace(unfinished)
  }

  #replaceNext(): void {
    this.#replacing = this.#waiting.shift()
    if (this.#replacing !== undefined) this.#replace(this.#replacing)
  }

  #replace(place: Place): void {
    // A successor that was started before this may have been so by what is to be replaced, or never become ready.
    for (const worker of place.workers) if (!worker.wasReady) leave(worker)
    this.#start(place)
  }

  // What becomes of a worker.

  #start(place: Place): void {
    if (this.#stops > 0) return
    clearTimeout(place.timer)
    try {
      this.#launch(place)
    } catch (error) {
      this.#failed(place, error)
    }
  }

  #launch(place: Place): void {
    const fds = this.#sockets.fds(place.number)
    const child = fork(process.argv[1]!, process.argv.slice(2), {
      env: { ...process.env, [FDS]: String(fds.length) },
      execArgv: execArgv(),
      // A terminal sends SIGINT to the whole group; the supervisor decides.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...fds],
    })
    if (child.pid === undefined) return void child.once('error', error => this.#failed(place, error))
    const worker: Worker = { child, started: performance.now(), wasReady: false, isLeaving: false }
    place.workers.push(worker)
    this.#logger.info(`hostloop: worker ${child.pid} started`)
    child.on('message', message => this.#told(place, worker, message))
    // Such as a message that cannot be sent. What follows is told by its exit.
    child.on('error', error => this.#logger.error(`hostloop: worker ${child.pid}`, error))
    child.once('exit', (code, signal) => this.#died(place, worker, code ?? signal))
  }

  /** A process could not be made. */
  #failed(place: Place, error: unknown): void {
    this.#logger.error('hostloop: a worker cannot be started', error)
    this.#startAgain(place, 0, false)
  }

  #told(place: Place, worker: Worker, message: unknown): void {
    if (worker.isLeaving) return
    if (message === READY) this.#isReady(place, worker)
    else if (message === DRAINING && worker.wasReady) {
      worker.isLeaving = true
      this.#start(place)
    }
  }

  #isReady(place: Place, worker: Worker): void {
    worker.wasReady = this.#wasReady = true
    for (const older of place.workers.slice(0, place.workers.indexOf(worker))) leave(older)
    if (this.#replacing === place) this.#replaceNext()
  }

  #died(place: Place, worker: Worker, how: number | string | null): void {
    place.workers.splice(place.workers.indexOf(worker), 1)
    const text = `hostloop: worker ${worker.child.pid} ended with ${how ?? 'an error'}`
    if (how === 0) this.#logger.info(text)
    else this.#logger.error(text)
    if (this.#stops === 0 && !worker.isLeaving) this.#startAgain(place, performance.now() - worker.started, worker.wasReady)
    this.#endIfDone()
  }

  /** Starts a worker in place of one that has lived this many milliseconds: at once if it served, later and later if its successors do not. */
  #startAgain(place: Place, lifetime: number, didServe: boolean): void {
    if (this.#stops > 0) return
    if (!this.#wasReady) return this.#giveUp()
    if (lifetime > STABLE * 1000) place.backoff = FIRST_BACKOFF
    const wait = didServe && place.backoff === FIRST_BACKOFF ? 0 : place.backoff
    place.backoff = Math.min(place.backoff * 2, MAX_BACKOFF)
    clearTimeout(place.timer)
    place.timer = setTimeout(() => this.#start(place), wait * 1000)
  }

  #giveUp(): void {
    this.#logger.error('hostloop: no worker could start; giving up')
    this.#hasFailed = true
    this.stop()
  }

  #endIfDone(): void {
    if (this.#stops > 0 && this.#places.every(place => place.workers.length === 0)) this.#end()
  }
}

/** Has a worker drain and end. */
function leave(worker: Worker): void {
  if (worker.isLeaving) return
  worker.isLeaving = true
  worker.child.kill('SIGTERM')
}

/** Every process has an inspector's port of its own. */
function execArgv(): string[] {
  const inherited = process.execArgv
  return inherited.some(argument => argument.startsWith('--inspect')) ? [...inherited, '--inspect-port=0'] : inherited
}
