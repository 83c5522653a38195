/**
 * What gives values in the scopes of one kind: closures, made when something is asked for the first time, for one generation.
 *
 * A table knows the scopes around its own. A node lives in the outermost scope that is not longer than its own: what lives in a scope that
 * nobody has entered lives in the next one inside.
 */

import { ClosedError, ConflictError, InvalidError, NotProvidedError } from '../errors'
import { recipeOf } from './declared'
import type { Generation } from './generation'
import { Lifecycle } from './handles'
import { labelOfKey, type Need, readWanted } from './keys'
import { constant, gathered, type Get, maker, once } from './make'
import type { Scope } from './scope'
import { UNSET } from './values'
import { livesWithApp, type Wiring } from './wiring'

export class Table {
  readonly #gets = new Map<number, Get>()
  readonly #asked = new Map<Need, Get>()
  readonly #inner = new Map<number, Table>()

  constructor(
    readonly generation: Generation,
    readonly outer: Table | null,
    /** The place of the scope's name in the list of scopes. */
    readonly depth: number,
  ) {}

  get wiring(): Wiring {
    return this.generation.container.wiring
  }

  /** The scope's name. */
  get name(): string {
    return this.wiring.scopes[this.depth]!
  }

  /** Returns the table of a scope inside. */
  inside(depth: number): Table {
    let table = this.#inner.get(depth)
    if (table === undefined) this.#inner.set(depth, (table = new Table(this.generation, this, depth)))
    return table
  }

  /** Returns what gives something that is asked for. */
  asked(need: Need): Get {
    let get = this.#asked.get(need)
    if (get === undefined) {
      const found = this.wiring.lookUp(need)
      if (typeof found === 'number') get = this.get(found)
      else get = readWanted(need, 'resolve').isSoft ? there(found) : gathered(found.map(node => this.get(node)))
      this.#asked.set(need, get)
    }
    return get
  }

  /** Returns what gives the value of a node. */
  get(index: number): Get {
    const node = this.wiring.behind(index)
    let get = this.#gets.get(node)
    if (get === undefined) this.#gets.set(node, (get = this.#write(node)))
    return get
  }

  /**
   * Has the values of the application made that something needs, without waiting.
   *
   * @throws ConflictError if that takes waiting, or what lives in the scope does.
   */
  prepare(scope: Scope, roots: readonly number[]): void {
    const { wiring, generation } = this
    const isThere = (node: number) => scope.there(node).length > 0
    const left = roots.filter(root => !isThere(root))
    const way = wiring.way(left, node => wiring.node(node).isAsync && !livesWithApp(wiring.node(node)), isThere)
    if (way.length > 0) throw new ConflictError(wiring.whyNot(way))
    const missing = (node: number) => livesWithApp(wiring.node(node)) && generation.peek(node) === UNSET
    for (let found = wiring.way(left, missing, isThere); found.length > 0; found = wiring.way(left, missing, isThere)) {
      generation.container.get(found.at(-1)!)
    }
  }

  /** Finds where a value that is given with the scope is kept. */
  place(need: Need): number {
    const node = this.wiring.find(need)
    const place = this.wiring.places.get(node)
    if (place !== undefined && this.#home(node)?.table === this) return place
    throw new NotProvidedError(
      `\`${labelOfKey(readWanted(need, 'scope').key)}\` does not live in the scope "${this.name}", so it cannot be given to it`,
    )
  }

  /** The table of the scope that a node lives in, and how far out that is. */
  #home(node: number): { table: Table; steps: number } | undefined {
    const { depth } = this.wiring.node(node)
    let home
    let steps = 0
    for (let table: Table | null = this; table !== null; table = table.outer, steps++) {
      if (table.depth >= depth) home = { table, steps }
    }
    return home
  }

  #write(node: number): Get {
    const found = this.wiring.node(node)
    if (livesWithApp(found)) return this.#ofApp(node)
    const home = this.#home(node)
    if (home === undefined) {
      throw new ClosedError(`\`${found.label}\` lives as long as the ${this.wiring.scopes[found.depth]}; ask for it inside that scope`)
    }
    if (found.declared === null) return this.#collection(node)
    if (found.isTransient) return this.#make(node)
    if (home.steps > 0) return outward(home.steps, home.table.get(node))
    if (found.kind === 'context') return this.#given(node)
    return once(this.wiring.places.get(node)!, this.#make(node))
  }

  #collection(node: number): Get {
    const members = this.wiring.eager(node)
    return this.wiring.soft.has(node) ? there(members) : gathered(members.map(member => this.get(member)))
  }

  #ofApp(node: number): Get {
    const { generation } = this
    const value = generation.peek(node)
    if (value !== UNSET) return constant(value)
    return () => {
      const made = generation.peek(node)
      if (made !== UNSET) return made
      const asked = generation.ask(node)
      // Another that is needed beside it may fail first.
      asked.catch(() => {})
      return asked
    }
  }

  #given(node: number): Get {
    const place = this.wiring.places.get(node)!
    return scope => {
      const value = scope.values[place]
      if (value === UNSET) throw this.#notGiven(node)
      return value
    }
  }

  #notGiven(node: number): NotProvidedError {
    const { label } = this.wiring.node(node)
    return new NotProvidedError(
      `\`${label}\` comes with the scope "${this.name}" and was not given; enter it with app.scope('${this.name}', [[${label}, ...]], ...)`,
    )
  }

  #make(node: number): Get {
    const { declared, deps } = this.wiring.node(node)
    if (recipeOf(declared).parameters.includes(Lifecycle)) {
      throw new InvalidError(
        `${this.wiring.name(node)} asks for Lifecycle and lives as long as the ${this.name}; hooks are the application's`,
      )
    }
    const { timeout, stopTimeout } = declared as { timeout?: number | null; stopTimeout?: number | null }
    const target = { recipe: recipeOf(declared), place: this.#placeOf(node), timeout, stopTimeout }
    return maker(
      target,
      deps.map(dep => this.dep(dep, node)),
    )
  }

  #placeOf(node: number): number | undefined {
    return this.wiring.node(node).isTransient ? undefined : this.wiring.places.get(node)
  }

  /** Gives what one need of a node, or of nobody, is met by. */
  dep(dep: number | null, owner: number | undefined): Get {
    if (dep === null) return constant(undefined)
    if (dep >= 0) return this.get(dep)
    const node = this.wiring.behind(-1 - dep)
    if (livesWithApp(this.wiring.node(node))) return constant(this.generation.container.lazy(node))
    return scope => scope.lazy(node, owner)
  }
}

/** Gives those values that were made already. */
function there(nodes: readonly number[]): Get {
  return scope => nodes.flatMap(node => scope.there(node))
}

/** Gives a value in a scope that is some steps further out. */
function outward(steps: number, get: Get): Get {
  if (steps === 1) return scope => get(scope.parent!)
  return scope => {
    let outer: Scope = scope
    for (let step = 0; step < steps; step++) outer = outer.parent!
    return get(outer)
  }
}
