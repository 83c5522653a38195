/** What can be called: how, with what, and how its value comes of it. Nothing is called here. */

import { describe } from '../describe'
import { InvalidError } from '../errors'
import { Lifecycle } from './handles'
import { checkKey, type Need, readWanted, type Wanted } from './keys'
import { quoted } from './source'

/** Any function or class of the user's. Its types were checked where it was declared. */
export type Callable = (...args: unknown[]) => unknown

/** How a value comes of a call. A plain function may return it, a promise of it, or a generator. */
export type Style = 'function' | 'class' | 'generator' | 'async generator'

/** One thing that a call is given: what the graph meets, or a `Lifecycle`. */
export type Parameter = Wanted<unknown> | typeof Lifecycle

/** Something that can be called. */
export interface Recipe {
  readonly call: Callable
  readonly style: Style
  readonly isAsync: boolean
  readonly parameters: readonly Parameter[]
  readonly label: string
  readonly source: string
  /** Whether a value with `Symbol.dispose` or `Symbol.asyncDispose` is disposed of at the end of its scope. */
  readonly disposes: boolean
}

const GeneratorFunction = Object.getPrototypeOf(function* () {}) as object
const AsyncGeneratorFunction = Object.getPrototypeOf(async function* () {}) as object
const AsyncFunction = Object.getPrototypeOf(async () => {}) as object

/** Reads a function or class, and what it is to be given. */
export function readRecipe(call: unknown, deps: readonly Need[], word: string, label: string, source: string, disposes = true): Recipe {
  const where = `${word}: ${quoted(label, source)}`
  if (typeof call !== 'function')
    throw new InvalidError(`${where} is given ${describe(call)}, which cannot be called; give a function or a class`)
  const style = styleOf(call)
  const isAsync = style === 'async generator' || Object.getPrototypeOf(call) === AsyncFunction
  return { call: call as Callable, style, isAsync, parameters: readParameters(deps, where), label, source, disposes }
}

/** Reads a list of what is asked for. */
export function readParameters(deps: readonly Need[], where: string): Parameter[] {
  return deps.map((need, at) => {
    if (need === Lifecycle) return Lifecycle
    const wanted = readWanted(need, `${where}, dependency ${at + 1},`)
    if (wanted.key === Lifecycle || wanted.member === Lifecycle)
      throw new InvalidError(
        `${where}, dependency ${at + 1}, is a Lifecycle in lazy, optional or all; whoever is built asks for Lifecycle itself`,
      )
    return wanted
  })
}

/** What of the parameters the graph meets, in order. */
export function wantedOf(parameters: readonly Parameter[]): Wanted<unknown>[] {
  return parameters.filter((parameter): parameter is Wanted<unknown> => parameter !== Lifecycle)
}

/** A recipe's name with its place. */
export function nameOf(recipe: { readonly label: string; readonly source: string }): string {
  return quoted(recipe.label, recipe.source)
}

/** Whether it is a class, which is called with `new`. */
export function isClass(call: unknown): boolean {
  return typeof call === 'function' && Object.getOwnPropertyDescriptor(call, 'prototype')?.writable === false
}

/** Makes a recipe's call, of so many arguments, out of a class. */
export function constructing(made: unknown, count: number, word: string): Callable {
  checkKey(word, made)
  checkCount(made as unknown as Callable, count, word)
  const Constructor = made as unknown as new (...args: unknown[]) => unknown
  switch (count) {
    case 0:
      return () => new Constructor()
    case 1:
      return a => new Constructor(a)
    case 2:
      return (a, b) => new Constructor(a, b)
    case 3:
      return (a, b, c) => new Constructor(a, b, c)
    default:
      return (...args) => new Constructor(...args)
  }
}

/** Refuses a class that would not be given all that it takes. What has a default does not count. */
function checkCount(made: Callable, count: number, word: string): void {
  const taken = made.length
  // The platform's own count what may be left out.
  if (taken <= count || Function.prototype.toString.call(made).includes('[native code]')) return
  throw new InvalidError(
    `${word} constructs ${made.name || 'a class'}, which takes ${taken}, with ${count}; list a key for each parameter, or give a factory that ` +
      'constructs it',
  )
}

function styleOf(call: object): Style {
  const kind = Object.getPrototypeOf(call) as object
  if (kind === GeneratorFunction) return 'generator'
  if (kind === AsyncGeneratorFunction) return 'async generator'
  return isClass(call) ? 'class' : 'function'
}
