/** The routes of an application, and their handlers as nodes of its graph. */

import { describe } from '../describe'
import { ConflictError, InvalidError } from '../errors'
import { typed } from '../typed'
import { parameterNames } from '../http/path'
import { loadPlatform, PlatformRequest } from '../http/platform'
import { HostRequest } from '../http/request'
import { takeDeps } from '../lifecycle/declare'
import type { Declared, Handler, Listener } from '../lifecycle/declared'
import { Lifecycle } from '../lifecycle/handles'
import type { GivenAll, Key, Need } from '../lifecycle/keys'
import { Routes } from '../lifecycle/native'
import { readParameters } from '../lifecycle/recipe'
import { Resolving } from '../lifecycle/resolving'
import { calledAt, quoted } from '../lifecycle/source'
import type { Wiring } from '../lifecycle/wiring'
import { type Answer, checkHandler } from './bound'
import type { Route } from './gate'

/** Answers a request, given what it asks for besides. */
export type AppHandler<D extends readonly Need[]> = (request: HostRequest, ...args: GivenAll<D>) => unknown

const LISTENER: Listener = { kind: 'listener', label: 'http', source: '' }

/** An application with routes. */
export abstract class Routed extends Resolving {
  protected routes: Route[] = []
  private table = new Routes()

  /**
   * Adds a handler for a method and a path: `/links/{code}` matches one segment, `/files/{rest:path}` takes the remainder.
   *
   * It is given the request, and what `deps` ask for, which may be left out if that is nothing. What it returns, or its promise gives, is the
   * response. What is to be done before several handlers is a provider that they ask for: there is one handler for a route.
   *
   * @throws ConflictError if the route exists, InvalidError if the path cannot be read, or told from another.
   */
  route<const D extends readonly Need[]>(method: string, path: string, deps: D, handler: AppHandler<D>): this
  route(method: string, path: string, handler: AppHandler<[]>): this
  route(method: string, path: string, ...rest: unknown[]): this {
    return this.addRoute(method, path, rest, calledAt(this.route))
  }

  /** Adds a handler for GET, and for HEAD. */
  get<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  get(path: string, handler: AppHandler<[]>): this
  get(path: string, ...rest: unknown[]): this {
    return this.addRoute('GET', path, rest, calledAt(this.get))
  }

  /** Adds a handler for POST. */
  post<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  post(path: string, handler: AppHandler<[]>): this
  post(path: string, ...rest: unknown[]): this {
    return this.addRoute('POST', path, rest, calledAt(this.post))
  }

  /** Adds a handler for PUT. */
  put<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  put(path: string, handler: AppHandler<[]>): this
  put(path: string, ...rest: unknown[]): this {
    return this.addRoute('PUT', path, rest, calledAt(this.put))
  }

  /** Adds a handler for PATCH. */
  patch<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  patch(path: string, handler: AppHandler<[]>): this
  patch(path: string, ...rest: unknown[]): this {
    return this.addRoute('PATCH', path, rest, calledAt(this.patch))
  }

  /** Adds a handler for DELETE. */
  delete<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  delete(path: string, handler: AppHandler<[]>): this
  delete(path: string, ...rest: unknown[]): this {
    return this.addRoute('DELETE', path, rest, calledAt(this.delete))
  }

  /** Adds a handler for HEAD alone. GET answers HEAD too. */
  head<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  head(path: string, handler: AppHandler<[]>): this
  head(path: string, ...rest: unknown[]): this {
    return this.addRoute('HEAD', path, rest, calledAt(this.head))
  }

  /** Adds a handler for OPTIONS. */
  options<const D extends readonly Need[]>(path: string, deps: D, handler: AppHandler<D>): this
  options(path: string, handler: AppHandler<[]>): this
  options(path: string, ...rest: unknown[]): this {
    return this.addRoute('OPTIONS', path, rest, calledAt(this.options))
  }

  private addRoute(name: string, path: string, rest: unknown[], source: string): this {
    if (typeof name !== 'string') throw new InvalidError(`a route's method is ${describe(name)}; give a text such as 'GET'`)
    const method = name.toUpperCase()
    const label = `${method} ${path}`
    this.refuseRunning(`route \`${label}\``)
    const where = `route: ${quoted(label, source)}`
    const deps = takeDeps(rest)
    const [handler, ...more] = rest
    if (typeof handler !== 'function')
      throw new InvalidError(`${where} is given ${describe(handler)}, which cannot be called; give a function`)
    if (more.length > 0)
      throw new InvalidError(
        `${where} is given ${describe(more[0])} behind its handler; give it a list of what it asks for and one function`,
      )
    const parameters = readParameters(deps, where)
    if (parameters.includes(Lifecycle))
      throw new InvalidError(`${where} asks for Lifecycle, which is for what is built before requests are taken`)
    this.insert(method, path, where)
    this.routes.push({ method, path, answer: handler as Answer, declared: { kind: 'handler', label, source, parameters } })
    const hint = hintOf(path)
    if (hint !== undefined) this.logger.warn(`hostloop: ${where} has ${hint}`)
    return this
  }

  private insert(method: string, path: string, where: string): void {
    parameterNames(path, where)
    try {
      typed(() => this.table.insert(method, path))
    } catch (error) {
      if (!(error instanceof ConflictError || error instanceof InvalidError)) throw error
      const first = this.routes.find(route => route.method === method && route.path === path)?.declared.source
      throw new (error.constructor as typeof ConflictError)(`${where}: ${error.message}${first ? `; it was declared at ${first}` : ''}`)
    }
  }

  protected override copied(): this {
    const other = super.copied()
    other.routes = [...this.routes]
    other.table = new Routes()
    for (const { method, path } of this.routes) other.table.insert(method, path)
    return other
  }

  // The graph.

  protected override builtIn(): Declared[] {
    loadPlatform()
    const keys: Key[] = [HostRequest, PlatformRequest]
    // It may have been replaced.
    if (globalThis.Request !== PlatformRequest) keys.push(globalThis.Request)
    const request: Declared = { kind: 'context', label: 'Request', source: '', keys, scope: 'request' }
    return [...super.builtIn(), request, LISTENER, ...this.routes.map(({ declared }): Handler => declared)]
  }

  protected override checked(wiring: Wiring): Wiring {
    for (const { declared } of this.routes) checkHandler(wiring, wiring.numbers.get(declared)!)
    return wiring
  }
}

/** What a path has that means something elsewhere, and nothing here. */
function hintOf(path: string): string | undefined {
  const plain = path.replaceAll(/\{[^}]*\}/g, '')
  const [, named] = /\/:([A-Za-z_]\w*)/.exec(plain) ?? []
  if (named !== undefined) return `the segment ":${named}", which is taken as it stands; a parameter is written {${named}}`
  return plain.includes('*') ? 'a "*", which is taken as it stands; the remainder of a path is written {rest:path}' : undefined
}
