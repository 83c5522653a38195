/** What an application is made of, as it was declared. */

import type { Key } from './keys'
import type { Policy } from './options'
import type { Parameter, Recipe } from './recipe'

interface Named {
  /** What texts call it. */
  readonly label: string
  /** Where it was written. */
  readonly source: string
}

/** Seconds; null waits without end, and undefined is the default. */
export type Time = number | null | undefined

interface Timed {
  /** For making or starting it. */
  readonly timeout: Time
  /** For taking it back or stopping it. */
  readonly stopTimeout: Time
}

/** A value that is ready. */
export interface Supply extends Named {
  readonly kind: 'supply'
  readonly value: unknown
  readonly keys: readonly Key[]
  readonly isBuiltIn: boolean
}

/** How a value is made; or, of a decorator, wrapped. */
export interface Provide extends Named, Timed {
  readonly kind: 'provide'
  readonly recipe: Recipe
  readonly keys: readonly Key[]
  readonly scope: string
  readonly isPrivate: boolean
  readonly isDecorator: boolean
}

/** A value that comes with its scope. */
export interface Context extends Named {
  readonly kind: 'context'
  readonly keys: readonly Key[]
  readonly scope: string
}

/** A call that is made once, when all is built. */
export interface Invoke extends Named {
  readonly kind: 'invoke'
  readonly recipe: Recipe
  readonly timeout: Time
}

/** Calls at the start and at the stop. Both are given the same. */
export interface Hook extends Named, Timed {
  readonly kind: 'hook'
  readonly start: Recipe | null
  readonly stop: Recipe | null
  readonly after: readonly unknown[]
}

/** A call that runs until the stop, supervised. */
export interface Worker extends Named, Timed {
  readonly kind: 'worker'
  readonly recipe: Recipe
  readonly policy: Policy
  readonly after: readonly unknown[]
}

/** What is declared in a module. */
export interface Group extends Named {
  readonly kind: 'module'
  readonly members: readonly Declared[]
}

/** What answers requests, and what the graph gives it. */
export interface Handler extends Named {
  readonly kind: 'handler'
  readonly parameters: readonly Parameter[]
  readonly isSyncOnly?: boolean
}

/** What takes requests. */
export interface Listener extends Named {
  readonly kind: 'listener'
}

export type Declared = Supply | Provide | Context | Invoke | Hook | Worker | Group | Handler | Listener

/** What stands for a node of its own. */
export type DeclaredNode = Exclude<Declared, Group>

/** The recipe of what is called for its value or its run. */
export function recipeOf(declared: Declared | null): Recipe {
  if (declared?.kind === 'provide' || declared?.kind === 'invoke' || declared?.kind === 'worker') return declared.recipe
  throw new TypeError('it has no recipe')
}

/** Scopes that every application has; and the word for what lives as long as what it is made of, which no user can say. */
export const APP = 'app'
export const TRANSIENT = 'transient'
export const INHERITED = 'inherited'
