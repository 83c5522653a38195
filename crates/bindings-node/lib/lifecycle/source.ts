/** Where users wrote things. */

import { basename, isAbsolute, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A frame of a stack, as text: the file, and the line. Code at the top level of a module has no name, and no parentheses. */
const FRAMES = [/^at .*? \((.+):(\d+):\d+\)$/, /^at (?:async )?(.+):(\d+):\d+$/]

/** Tells where a function that is running now was called, as `file.js:12`; empty if that cannot be known. */
export function calledAt(called: (...args: never[]) => unknown): string {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 1
  const holder: { stack?: unknown } = {}
  Error.captureStackTrace(holder, called)
  // The text is made when it is asked for, and honours source maps.
  const { stack } = holder
  Error.stackTraceLimit = limit
  const frame = typeof stack === 'string' ? stack.slice(stack.lastIndexOf('\n') + 1).trim() : ''
  const match = FRAMES.map(shape => shape.exec(frame)).find(found => found !== null)
  return match === undefined ? '' : place(match[1]!, match[2]!)
}

/** A file, relative to the current folder if it is inside, with a line. */
function place(file: string, line: string): string {
  const path = file.startsWith('file:') ? fileURLToPath(file) : file
  if (!isAbsolute(path)) return `${path}:${line}`
  const inside = relative(process.cwd(), path)
  return `${inside.startsWith('..') ? basename(path) : inside}:${line}`
}

/** A name with its place, as texts have it. */
export function quoted(label: string, source: string): string {
  return source === '' ? `\`${label}\`` : `\`${label}\` (${source})`
}
