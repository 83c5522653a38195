/** Paths of routes: `/links/{code}`, `/files/{rest:path}`. */

import { describe } from '../describe'
import { InvalidError } from '../errors'

/** The names of a path's parameters, in order. The engine checks the rest of it. */
export function parameterNames(path: unknown, where: string): readonly string[] {
  if (typeof path !== 'string') throw new InvalidError(`${where} has the path ${describe(path)}; give a text such as '/links/{code}'`)
  const names = [...path.matchAll(/\{([^}:]*)(?::path)?\}/g)].map(match => match[1]!)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice !== undefined) throw new InvalidError(`${where} has two parameters of the name ${twice}; give each its own`)
  return names
}
