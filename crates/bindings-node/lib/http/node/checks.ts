/** Refuses what `node:http` refuses, with its errors. What is undefined was not given. */

import { inspect } from 'node:util'

import { failure } from './failures'

/** Refuses what is of another type. */
export function checkType(name: string, value: unknown, type: 'boolean' | 'number' | 'string' | 'function'): void {
  if (value !== undefined && typeof value !== type) throw wrongType(name, `of type ${type}`, value)
}

/** Refuses what is no whole number of a range. */
export function checkWhole(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  checkType(name, value, 'number')
  if (value === undefined) return
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if ((value as number) < least || (value as number) > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value)
}

/** Refuses what is no time to wait; unlike the others, also undefined, since it is given by an assignment. */
export function checkMilliseconds(name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'of type number', value)
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) throw outOfRange(name, 'a non-negative finite number', value)
}

/** Refuses what is not made by that class or one that extends it. */
export function checkExtends(name: string, Class: unknown, Base: abstract new (...given: never[]) => object): void {
  if (Class === undefined || Class === null || Class === Base) return
  const prototype = typeof Class === 'function' ? (Class.prototype as unknown) : undefined
  if (!(prototype instanceof Base)) throw wrongType(name, `a class that extends http.${Base.name}`, Class)
}

/** The error of what is of another type. */
export function wrongType(name: string, wanted: string, value: unknown): Error {
  const kind = name.includes('.') ? 'property' : 'argument'
  return failure(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" ${kind} must be ${wanted}. Received ${shown(value)}`)
}

function outOfRange(name: string, wanted: string, value: unknown): Error {
  return failure(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${wanted}. Received ${shown(value)}`)
}

/** A value in one line. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY })
}
