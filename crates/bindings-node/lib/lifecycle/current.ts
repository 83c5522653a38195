/** The scope that code is in, followed through promises. Nothing is followed before a scope is entered with a function. */

import { AsyncLocalStorage } from 'node:async_hooks'

import type { Container } from './container'
import type { Scope } from './scope'

let storage: AsyncLocalStorage<Scope> | undefined

/** Calls a function in a scope. */
export function runIn<T>(scope: Scope, call: () => T): T {
  storage ??= new AsyncLocalStorage()
  return storage.run(scope, call)
}

/** The scope of this container that the caller is in; the next around it if it is closed. */
export function currentScope(container: Container): Scope | null {
  let scope: Scope | null = storage?.getStore() ?? null
  while (scope !== null && (scope.isClosed || scope.container !== container)) scope = scope.parent
  return scope
}
