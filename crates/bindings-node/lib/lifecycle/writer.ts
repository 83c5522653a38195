/**
 * From declarations to a plan.
 *
 * The native graph checks everything in one pass and runs no code of the user's. What it returns is copied into lists once.
 */

import { describe } from '../describe'
import { InvalidError, NotProvidedError, WiringError } from '../errors'
import { typed } from '../typed'
import { APP, type Declared, type DeclaredNode, INHERITED, type Time } from './declared'
import { type Key, labelOfKey, type Need, readWanted, Token, type Wanted } from './keys'
import { Graph, type NativeMistakes, type NativeNeed, type NativeNode, type Plan } from './native'
import { nativePolicy, nativeSeconds } from './options'
import { nameOf, type Parameter, wantedOf } from './recipe'
import { Wiring } from './wiring'

/**
 * Checks declarations and makes their plan.
 *
 * @throws WiringError with every mistake.
 */
export function wire(declared: readonly Declared[], overrides: readonly Declared[], scopes: readonly string[]): Wiring {
  const writer = new Writer(declared, overrides, scopes)
  const sealed = writer.seal()
  if (sealed instanceof Wiring) return sealed
  // Which classes could stand for which is only of use to texts, and takes a look at every pair.
  writer.noteConforming()
  const told = writer.seal()
  if (told instanceof Wiring) return told
  throw new WiringError(told.text, told.mistakes, told.warnings)
}

interface Placed {
  readonly declared: DeclaredNode
  readonly module: number
  readonly isOverride: boolean
}

type Fields = Pick<NativeNode, 'kind' | 'scope' | 'needs'> & Partial<NativeNode>

class Writer {
  readonly #graph: Graph
  readonly #keys = new Map<Key, number>()
  readonly #numbers = new Map<DeclaredNode, number>()
  readonly #aliases: [key: Key, node: number][] = []
  readonly #placed: Placed[]
  /** What was said of keys that are missing. */
  readonly #told = new Map<Key, string>()

  constructor(
    declared: readonly Declared[],
    overrides: readonly Declared[],
    private readonly scopes: readonly string[],
  ) {
    this.#graph = new Graph([...scopes])
    const inRoot = [...placed(declared, 0, this.#graph)]
    this.#placed = [...inRoot, ...overrides.map(one => overriding(one))]
    this.#placed.forEach(({ declared }, number) => this.#numbers.set(declared, number))
    refuseSameNames(this.#placed)
    this.#placed.forEach(one => this.#add(one))
    for (const [key, node] of this.#aliases) this.#graph.alias(this.#key(key), node)
  }

  /** Seals the graph, or tells its mistakes. */
  seal(): Wiring | NativeMistakes {
    const plan = this.#graph.seal()
    if (!isPlan(plan)) return plan
    const nodes = plan.nodes().map((node, index) => ({ ...node, index, declared: this.#placed[index]?.declared ?? null }))
    // What is asked for later, and found to be missing, is a key of the graph alone: the plan does not know it.
    return new Wiring(plan, nodes, this.scopes, new Map(this.#keys), this.#numbers, need => this.#missing(need))
  }

  /** Tells the graph which classes could be given for which. */
  noteConforming(): void {
    const classes = [...this.#keys].filter(([key]) => !(key instanceof Token)) as [{ prototype: object }, number][]
    for (const [key, number] of classes) {
      for (const [other, wanted] of classes) {
        if (number !== wanted && Object.prototype.isPrototypeOf.call(other.prototype, key.prototype)) this.#graph.conforms(number, wanted)
      }
    }
  }

  #missing(need: Need): NotProvidedError {
    const wanted = readWanted(need, 'resolve')
    let text = this.#told.get(wanted.key)
    if (text === undefined) this.#told.set(wanted.key, (text = this.#whyMissing(wanted)))
    return new NotProvidedError(text)
  }

  #whyMissing(wanted: Wanted<unknown>): string {
    this.#graph.add({ kind: 'invoke', label: 'resolve', source: '', scope: APP, module: 0, needs: [this.#need(wanted)] })
    this.noteConforming()
    const told = this.#graph.seal()
    const fix = isPlan(told) ? '' : `; ${told.mistakes.at(-1)?.fix ?? ''}`
    return `nothing provides \`${labelOfKey(wanted.key)}\`${fix}`
  }

  #add({ declared, module, isOverride }: Placed): void {
    const { label, source } = declared
    const fields = this.#fields(declared)
    typed(() => this.#graph.add({ label, source, module, overriding: isOverride, ...fields }))
  }

  #fields(declared: DeclaredNode): Fields {
    switch (declared.kind) {
      case 'supply':
        return { kind: 'value', scope: APP, needs: [], builtIn: declared.isBuiltIn, provides: this.#provides(declared) }
      case 'context':
        return { kind: 'context', scope: declared.scope, needs: [], builtIn: true, provides: this.#provides(declared) }
      case 'invoke':
        return { kind: 'invoke', scope: APP, needs: this.#needs(declared.recipe.parameters), ...times(declared.timeout) }
      case 'listener':
        return { kind: 'listener', scope: APP, needs: [] }
      case 'handler':
        return {
          kind: 'handler',
          scope: this.scopes.at(-1)!,
          needs: this.#needs(declared.parameters),
          syncOnly: declared.isSyncOnly ?? false,
        }
      case 'provide':
        return this.#factory(declared)
      case 'hook':
        return {
          kind: 'hook',
          scope: APP,
          needs: this.#needs((declared.start ?? declared.stop!).parameters),
          after: this.#others(declared),
          ...times(declared.timeout, declared.stopTimeout),
        }
      case 'worker':
        return {
          kind: 'worker',
          scope: APP,
          needs: this.#needs(declared.recipe.parameters),
          after: this.#others(declared),
          policy: nativePolicy(declared.policy),
          ...times(declared.timeout, declared.stopTimeout),
        }
    }
  }

  #factory(declared: Extract<DeclaredNode, { kind: 'provide' }>): Fields {
    const { recipe, isDecorator } = declared
    const isResource = recipe.style === 'generator' || recipe.style === 'async generator'
    return {
      kind: isDecorator ? 'decorator' : isResource ? 'resource' : 'factory',
      scope: isDecorator ? INHERITED : declared.scope,
      needs: this.#needs(recipe.parameters),
      isAsync: recipe.isAsync,
      private: declared.isPrivate,
      provides: this.#provides(declared),
      ...times(declared.timeout, declared.stopTimeout),
    }
  }

  #provides(declared: DeclaredNode & { readonly keys: readonly Key[] }): number {
    const [first, ...others] = declared.keys
    for (const key of others) this.#aliases.push([key, this.#numbers.get(declared)!])
    return this.#key(first!)
  }

  /** The workers and hooks that a declaration starts after, by their names or functions. */
  #others(declared: Extract<DeclaredNode, { kind: 'hook' | 'worker' }>): number[] {
    return declared.after.map(other => {
      for (const [candidate, number] of this.#numbers) {
        if (candidate !== declared && isCalled(candidate, other)) return number
      }
      const shown = typeof other === 'string' ? `\`${other}\`` : describe(other)
      throw new InvalidError(
        `${declared.kind}: ${nameOf(declared)} is after ${shown}, which is no worker or hook of this application; add it`,
      )
    })
  }

  #needs(parameters: readonly Parameter[]): NativeNeed[] {
    return wantedOf(parameters).map(wanted => this.#need(wanted))
  }

  #need({ key, isOptional, isLazy, member, isSoft }: Wanted<unknown>): NativeNeed {
    const need = { key: this.#key(key), optional: isOptional, lazy: isLazy }
    return member === undefined ? need : { ...need, member: this.#key(member), soft: isSoft }
  }

  #key(key: Key): number {
    let number = this.#keys.get(key)
    if (number === undefined) {
      const base = key instanceof Token ? key.base : undefined
      number = base === undefined ? this.#graph.key(labelOfKey(key)) : this.#graph.named(this.#key(base), key.name)
      this.#keys.set(key, number)
    }
    return number
  }
}

/** Each declaration, with the module that it is of. */
function* placed(declared: readonly Declared[], module: number, graph: Graph): Generator<Placed> {
  for (const one of declared) {
    if (one.kind === 'module') yield* placed(one.members, graph.module(one.label, module), graph)
    else yield { declared: one, module, isOverride: false }
  }
}

function overriding(declared: Declared): Placed {
  if (declared.kind !== 'supply' && declared.kind !== 'provide') {
    throw new InvalidError(`override is given ${nameOf(declared)}, which provides nothing; supply or provide in it`)
  }
  return { declared, module: 0, isOverride: true }
}

/** Refuses two workers of one name: nobody could say which is meant. */
function refuseSameNames(all: readonly Placed[]): void {
  const workers = new Map<string, DeclaredNode>()
  for (const { declared } of all) {
    if (declared.kind !== 'worker') continue
    const other = workers.get(declared.label)
    if (other !== undefined) throw new InvalidError(`worker: ${nameOf(declared)} has the name of ${nameOf(other)}; give each its own`)
    workers.set(declared.label, declared)
  }
}

/** Whether `after` means this one. */
function isCalled(candidate: DeclaredNode, wanted: unknown): boolean {
  if (candidate.kind !== 'hook' && candidate.kind !== 'worker') return false
  if (typeof wanted === 'string') return candidate.label === wanted
  return candidate.kind === 'worker'
    ? candidate.recipe.call === wanted
    : candidate.start?.call === wanted || candidate.stop?.call === wanted
}

function isPlan(sealed: Plan | NativeMistakes): sealed is Plan {
  return !('text' in sealed)
}

function times(start: Time, stop?: Time): Pick<NativeNode, 'startTimeout' | 'stopTimeout'> {
  return { startTimeout: nativeSeconds(start), stopTimeout: nativeSeconds(stop) }
}
