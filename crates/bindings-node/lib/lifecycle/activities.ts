/** What runs: hooks, workers, and the listener that takes requests. */

import { typed } from '../typed'
import { recipeOf } from './declared'
import type { Life } from './driver'
import { Activity, type HookContext, WorkerHandle } from './handles'
import type { Command, CommandOf } from './native'
import { nameOf } from './recipe'
import { Values } from './values'

/** What takes requests. */
export interface Gate {
  /** Begins to take requests. */
  listen(container: object): unknown
  /** Stops taking them, and waits for those under way, at most this many seconds. */
  drain(timeout: number | null): Promise<void>
  /** Ends the wait of `drain`. */
  cutShort(): void
  /** Uses the values that are current from now on. */
  swap(): void
}

type HookCommand = Extract<Command, { name: 'startHook' | 'stopHook' }>

/** What a hook is given besides. */
class Running extends Activity implements HookContext {}

/** A drain: it is cancelled by cutting it short. */
class Draining extends Activity {
  constructor(private readonly gate: Gate) {
    super()
  }

  override cancel(reason: unknown): void {
    super.cancel(reason)
    this.gate.cutShort()
  }
}

export abstract class Activities extends Values {
  readonly #workers = new Map<bigint, WorkerHandle>()

  constructor(
    readonly gate: Gate,
    life: Life,
  ) {
    super(life)
  }

  // Hooks.

  protected runHook({ name, op, hook, node, args }: HookCommand): void {
    const which = name === 'startHook' ? 'onStart' : 'onStop'
    const { declared } = this.wiring.node(node)
    const activity = new Running()
    const added = this.added.get(hook)
    const recipe = declared?.kind === 'hook' ? (which === 'onStart' ? declared.start : declared.stop) : null
    if (added !== undefined) this.call(op, activity, () => added[which]?.(activity))
    else this.call(op, activity, () => (recipe === null ? undefined : this.called(recipe, args, { op, activity }, activity)))
  }

  // Workers.

  protected runWorker({ op, node, attempt, args }: CommandOf<'runWorker'>): void {
    const recipe = recipeOf(this.wiring.node(node).declared)
    const worker = new WorkerHandle(attempt, { ready: () => this.#ready(op), tick: () => this.run.workerTick(op) })
    this.#workers.set(op, worker)
    this.call(op, worker, async () => {
      try {
        await this.called(recipe, args, undefined, worker)
      } catch (error) {
        if (!worker.isEndedBy(error)) this.logger.error(`hostloop: worker ${nameOf(recipe)} failed`, error)
        throw error
      }
    })
  }

  #ready(op: bigint): void {
    this.run.workerReady(op)
    this.wake()
  }

  protected stopWorker(op: bigint): void {
    this.#workers.get(op)?.stop(new DOMException('the worker is to end', 'AbortError'))
  }

  override complete(...[op, ...rest]: Parameters<Values['complete']>): boolean {
    this.#workers.delete(op)
    return super.complete(op, ...rest)
  }

  protected override abandon(op: bigint): void {
    this.#workers.delete(op)
    super.abandon(op)
  }

  /**
   * Runs a worker that has ended.
   *
   * @throws ConflictError if it runs.
   */
  restart(node: number): void {
    typed(() => this.run.restart(node))
    this.wake()
  }

  // The listener.

  protected listen(op: bigint): void {
    this.call(op, new Activity(), () => this.gate.listen(this))
  }

  protected drain({ op, seconds }: CommandOf<'drain'>): void {
    this.call(op, new Draining(this.gate), () => this.gate.drain(seconds ?? null))
  }
}
