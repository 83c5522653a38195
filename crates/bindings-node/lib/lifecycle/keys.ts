/**
 * Keys, and what is asked for by them.
 *
 * A class is its own key; what has no class has a `token`. Around a key may stand `optional` (do without), `lazy` (later) and `all`
 * (every value of the key).
 */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import type { Lazy } from './lazy'
import { checkFlag, checkOptions } from './options'

declare const TYPE: unique symbol

/** Stands for values that have no class of their own, or several of one class. Make one with `token` or `named`. */
export class Token<T> {
  /** The type of its values, which exists in TypeScript alone. */
  declare readonly [TYPE]: T
  /** What it is called in texts. */
  readonly name: string
  /** @internal The key that it is a named variant of. */
  readonly base: Key<T> | undefined

  /** @internal */
  constructor(name: string, base?: Key<T>) {
    this.name = name
    this.base = base
  }
}

/** A class, which is its own key. */
export type Class<T> = abstract new (...args: never[]) => T

/** What a value is provided and asked for by. */
export type Key<T = unknown> = Token<T> | Class<T>

/** Something that is asked for in another way than by its key alone: what `optional`, `lazy` and `all` return. */
export class Wanted<T> {
  /** The type of what is given, which exists in TypeScript alone. */
  declare readonly [TYPE]: T
  /** @internal */
  readonly key: Key
  /** @internal */
  readonly isOptional: boolean
  /** @internal */
  readonly isLazy: boolean
  /** @internal Of a collection, the key of its members. */
  readonly member: Key | undefined
  /** @internal */
  readonly isSoft: boolean

  /** @internal */
  constructor({ key, isOptional = false, isLazy = false, member, isSoft = false }: Partial<Wanted<unknown>> & { key: Key }) {
    this.key = key
    this.isOptional = isOptional
    this.isLazy = isLazy
    this.member = member
    this.isSoft = isSoft
  }
}

/** All values of a key: what `all` returns. */
export class Collection<T> extends Wanted<T[]> {
  /** @internal */
  declare protected readonly isCollection: true
}

/** What can be asked for at any time, without a list to stand in. */
export type Asked = Key | Collection<unknown>

/** What can be asked for. */
export type Need<T = unknown> = Key<T> | Wanted<T>

/** What is given for something that is asked for. */
export type Given<N> = N extends Wanted<infer T> ? T : N extends Token<infer T> ? T : N extends Class<infer T> ? T : never

/** What is given for a list of what is asked for, in its order: the parameters of whoever asks. */
export type GivenAll<D extends readonly Need[]> = { -readonly [I in keyof D]: Given<D[I]> }

/**
 * Makes a key for values that have no class.
 *
 * ```ts
 * const Db = token<Database>('db')
 * ```
 *
 * @param name What texts call it. Two tokens of one name are two keys.
 */
export function token<T = unknown>(name: string): Token<T> {
  checkName('token', name)
  return new Token<T>(name)
}

/**
 * Tells values of one key apart: `named(Database, 'replica')` is the same key each time.
 *
 * @param name A text that is not empty.
 */
export function named<T>(key: Key<T>, name: string): Token<T> {
  checkName('named', name)
  checkKey('named', key)
  const variants = variantsOf(key)
  let variant = variants.get(name)
  if (variant === undefined) variants.set(name, (variant = new Token(name, key)))
  return variant as Token<T>
}

/** Asks for a value, and does without if nothing provides it: `undefined` is given then. */
export function optional<N extends Need>(need: N): Wanted<Given<N> | undefined> {
  return new Wanted({ ...readWanted(need, 'optional'), isOptional: true })
}

/** Asks for a value later, by `await lazy.get()`. This breaks cycles, and follows reloads. */
export function lazy<N extends Need>(need: N): Wanted<Lazy<Given<N>>> {
  return new Wanted({ ...readWanted(need, 'lazy'), isLazy: true })
}

/**
 * Asks for all values of a key that have no name, in the order of their declaration.
 *
 * @param options `soft` takes those that are there already, and has nothing made. Default: no.
 */
export function all<T>(key: Key<T>, options: { soft?: boolean } = {}): Collection<T> {
  checkKey('all', key)
  checkOptions('all', options, ['soft'])
  const { soft = false } = options
  checkFlag('all: soft', soft)
  const kept = soft ? softCollections : collections
  let found = kept.get(key)
  if (found === undefined) {
    // Both kinds are met by the same members, so they have one key.
    const own = soft ? all(key).key : new Token(`all(${labelOfKey(key)})`)
    kept.set(key, (found = new Collection({ key: own, member: key, isSoft: soft })))
  }
  return found as Collection<T>
}

const variants = new WeakMap<Key, Map<string, Token<unknown>>>()
const collections = new WeakMap<Key, Collection<unknown>>()
const softCollections = new WeakMap<Key, Collection<unknown>>()

function variantsOf(key: Key): Map<string, Token<unknown>> {
  let found = variants.get(key)
  if (found === undefined) variants.set(key, (found = new Map()))
  return found
}

/** Reads what is asked for. `where` begins the error's text. */
export function readWanted(need: unknown, where: string): Wanted<unknown> {
  if (need instanceof Wanted) return need
  checkKey(where, need)
  return new Wanted({ key: need })
}

/** Reads what somebody asks for without a list. */
export function readAsked(asked: unknown): Wanted<unknown> {
  const wanted = readWanted(asked, 'resolve')
  if (!wanted.isOptional && !wanted.isLazy) return wanted
  const word = wanted.isLazy ? 'lazy' : 'optional'
  throw new InvalidError(`resolve is given ${word}(...), which stands in a list of dependencies; ask for the key itself`)
}

/** Refuses what is no key. */
export function checkKey(where: string, key: unknown): asserts key is Key {
  if (key instanceof Token || (typeof key === 'function' && key.prototype !== undefined)) return
  const hint =
    key === undefined ? '; is it imported in a circle? ask for a token(...) of a file of its own' : '; use a class or a token(...)'
  throw new InvalidError(`${where} is given ${describe(key)}, which is no key${hint}`)
}

/** A key as texts have it. */
export function labelOfKey(key: Key): string {
  if (!(key instanceof Token)) return key.name || 'anonymous class'
  return key.base === undefined ? key.name : `${labelOfKey(key.base)} named "${key.name}"`
}

function checkName(where: string, name: unknown): void {
  if (typeof name !== 'string' || name === '')
    throw new InvalidError(`${where} has the name ${describe(name)}; use a text that is not empty`)
}
