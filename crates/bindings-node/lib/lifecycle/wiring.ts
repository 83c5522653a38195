/** A sealed graph, with what its numbers stand for. It is read by the container and by what is compiled. */

import { describe } from '../describe'
import { NotProvidedError } from '../errors'
import type { DeclaredNode, Worker } from './declared'
import { type Key, type Need, readAsked, readWanted } from './keys'
import type { Plan, PlannedNode } from './native'
import { wantedOf } from './recipe'

/** One node of a plan. */
export interface Node extends PlannedNode {
  readonly index: number
  /** What it is declared by; null for a collection or another key. */
  readonly declared: DeclaredNode | null
}

/** Whether there is one value of a node for the whole application. */
export function livesWithApp(node: Node): boolean {
  return node.depth === 0 && !node.isTransient
}

/** Whether a value of a node can be made anew while the application runs. */
export function isReloadable(node: Node): boolean {
  return livesWithApp(node) && !node.isReplaced && (node.kind === 'factory' || node.kind === 'resource' || node.kind === 'decorator')
}

export class Wiring {
  /** Collections that take what is there. */
  readonly soft = new Set<number>()
  /** Of nodes that are made once in a shorter scope, the place of their value in the list of each scope. */
  readonly places = new Map<number, number>()
  readonly #found = new Map<Need, number | readonly number[]>()

  constructor(
    readonly plan: Plan,
    readonly nodes: readonly Node[],
    readonly scopes: readonly string[],
    readonly keys: ReadonlyMap<Key, number>,
    /** The node of each declaration. */
    readonly numbers: ReadonlyMap<DeclaredNode, number>,
    /** What to say of a key that no node provides or needs. */
    private readonly probe: (need: Need) => NotProvidedError,
  ) {
    for (const node of nodes) {
      if (node.depth > 0 && !node.isTransient && node.kind !== 'alias') this.places.set(node.index, this.places.size)
      needsOf(node).forEach((wanted, at) => {
        const dep = node.deps[at]
        if (wanted.isSoft && dep !== null && dep !== undefined) this.soft.add(this.behind(dep < 0 ? -1 - dep : dep))
      })
    }
  }

  node(index: number): Node {
    return this.nodes[index]!
  }

  /**
   * Finds the node that something asked for stands for, or those of `all(...)`.
   *
   * @throws NotProvidedError
   */
  lookUp(need: Need): number | readonly number[] {
    let found = this.#found.get(need)
    if (found === undefined) this.#found.set(need, (found = this.#read(need)))
    return found
  }

  /**
   * Finds the one node of a key.
   *
   * @throws NotProvidedError
   */
  find(key: Need): number {
    const number = this.keys.get(readWanted(key, 'resolve').key)
    if (number === undefined) throw this.probe(key)
    const found = this.plan.find(number)
    if (typeof found === 'string') throw new NotProvidedError(found)
    return this.behind(found)
  }

  /** Finds the node of a worker by its name. */
  worker(name: string): number {
    for (const [declared, number] of this.numbers) {
      if (declared.kind === 'worker' && declared.label === name) return number
    }
    const known = [...this.numbers.keys()].filter((declared): declared is Worker => declared.kind === 'worker').map(({ label }) => label)
    throw new NotProvidedError(`${describe(name)} is no worker of this application; there are ${known.join(', ') || 'none'}`)
  }

  /** Follows other keys to the node whose value they are. */
  behind(index: number): number {
    let node = this.node(index)
    while (node.kind === 'alias') node = this.node(node.deps[0]!)
    return node.index
  }

  /** The shortest way from a node to an end, through what is needed at once and not there; empty if none leads. */
  way(from: readonly number[], isEnd: (node: number) => boolean, isThere: (node: number) => boolean): number[] {
    const cameFrom = new Map<number, number | null>(from.map(root => [this.behind(root), null]))
    const left = [...cameFrom.keys()]
    for (let node = left.shift(); node !== undefined; node = left.shift()) {
      if (isEnd(node)) return stepsTo(node, cameFrom)
      for (const need of this.eager(node)) {
        if (cameFrom.has(need) || isThere(need)) continue
        cameFrom.set(need, node)
        left.push(need)
      }
    }
    return []
  }

  /** Why the first of a way cannot be had without waiting: the last is what waits. */
  whyNot(way: readonly number[]): string {
    const [wanted, last] = [this.node(way[0]!).label, this.node(way.at(-1)!).label]
    const shown = way.map(node => this.name(node)).join(' -> ')
    return `\`${wanted}\` cannot be had without waiting: \`${last}\` is made asynchronously (${shown}); use await ...resolve(...)`
  }

  /** The nodes that a node needs at once. */
  eager(index: number): number[] {
    const deps = this.node(index).deps.filter((dep): dep is number => dep !== null && dep >= 0)
    return deps.map(dep => this.behind(dep))
  }

  /** A node's label and place, as paths have it. */
  name(index: number): string {
    const { label, source } = this.node(index)
    return source === '' ? label : `${label} (${source})`
  }

  #read(need: Need): number | readonly number[] {
    const { key, member } = readAsked(need)
    if (member === undefined) return this.find(key)
    const number = this.keys.get(member)
    return number === undefined ? [] : this.plan.findAll(number).map(node => this.behind(node))
  }
}

/** What a node's needs are asked for as, in the order of its `deps`. */
function needsOf({ declared }: Node) {
  switch (declared?.kind) {
    case 'provide':
    case 'invoke':
    case 'worker':
      return wantedOf(declared.recipe.parameters)
    case 'hook':
      return wantedOf((declared.start ?? declared.stop!).parameters)
    case 'handler':
      return wantedOf(declared.parameters)
    default:
      return []
  }
}

/** How a node was reached, from the first step on. */
function stepsTo(node: number, cameFrom: ReadonlyMap<number, number | null>): number[] {
  const steps = []
  for (let step: number | null = node; step !== null; step = cameFrom.get(step) ?? null) steps.unshift(step)
  return steps
}
