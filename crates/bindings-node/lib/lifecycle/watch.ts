/**
 * Reloading when files change.
 *
 * A file that is written in several steps, or a folder full of them, is one change: it counts when nothing has changed for a moment.
 */

import { existsSync, type FSWatcher, statSync, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { describe } from '../describe'
import { InvalidError } from '../errors'
import type { Container } from './container'
import { checkKey, type Key, labelOfKey } from './keys'
import { isReloadable } from './wiring'

/** Paths whose change makes everything anew, or keys with the paths whose change makes them anew. */
export type Reloads = readonly string[] | Iterable<readonly [Key, readonly string[]]>

/** Milliseconds without a change that end a series of them. */
const QUIET = 100

/** Refuses what is no list of paths, or of keys with theirs. */
export function readReloads(given: Reloads | undefined): Reloads | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given))
    throw new InvalidError(
      `reload is ${describe(given)}; give a list of paths, ['settings.toml'], or of keys with paths, [[Settings, [...]]]`,
    )
  const entries: readonly unknown[] = [...given]
  if (entries.every(entry => typeof entry === 'string')) checkPaths(entries, 'everything')
  else for (const entry of entries) checkPair(entry)
  return entries as Reloads
}

function checkPair(entry: unknown): void {
  if (!Array.isArray(entry) || entry.length !== 2)
    throw new InvalidError(`reload has ${describe(entry)} in it; give paths alone, or keys with paths, [[Settings, [...]]]`)
  const [key, paths] = entry as [unknown, unknown]
  checkKey('reload', key)
  if (!Array.isArray(paths)) throw new InvalidError(`reload has ${describe(paths)} for ${labelOfKey(key)}; give a list of paths`)
  checkPaths(paths, labelOfKey(key))
}

function checkPaths(paths: readonly unknown[], name: string): void {
  for (const path of paths) {
    if (typeof path !== 'string' || path === '')
      throw new InvalidError(`reload has the path ${describe(path)} for ${name}; give a text that is not empty`)
  }
}

/** Makes values anew when files change. Returns what ends that. */
export function reloading(container: Container, reloads: Reloads): () => void {
  const watches = new Map([...byPath(container, reloads)].map(([path, nodes]) => [path, { nodes, seen: signature(path) }]))
  const due = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  const run = () => {
    const nodes = [...due].sort((a, b) => a - b)
    due.clear()
    const failed = (error: unknown) => container.logger.error('hostloop: what the changed files belong to was not reloaded', error)
    container
      .up()
      .then(() => container.reload(nodes))
      .catch(failed)
  }
  const changed = (path: string) => {
    const found = watches.get(path)!
    const now = signature(path)
    if (now !== '' && now === found.seen) return
    found.seen = now
    for (const node of found.nodes) due.add(node)
    clearTimeout(timer)
    timer = setTimeout(run, QUIET)
  }
  const watchers = [...watches.keys()].map(path => watched(path, () => changed(path)))
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}

/** The nodes to be made anew for each path. */
function byPath(container: Container, reloads: Reloads): Map<string, Set<number>> {
  const { wiring } = container
  const found = new Map<string, Set<number>>()
  const add = (paths: readonly string[], nodes: number[]) => {
    for (const given of paths) {
      const path = resolve(given)
      if (!existsSync(path)) throw new InvalidError(`reload has the path ${JSON.stringify(given)}, which does not exist`)
      found.set(path, new Set([...(found.get(path) ?? []), ...nodes]))
    }
  }
  const entries = [...reloads]
  if (entries.every(entry => typeof entry === 'string')) {
    const all = wiring.nodes.filter(isReloadable).map(({ index }) => index)
    add(entries, all)
  } else for (const [key, paths] of entries as (readonly [Key, readonly string[]])[]) add(paths, [wiring.find(key)])
  return found
}

/** Watches a path. A file is often replaced by another of its name: its folder tells of that. */
function watched(path: string, changed: () => void): FSWatcher {
  const isFolder = statSync(path).isDirectory()
  return watch(isFolder ? path : dirname(path), { recursive: isFolder }, changed)
}

/** What tells one state of a file from another, through symbolic links too; empty for a folder. */
function signature(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'gone'
  return found.isDirectory() ? '' : `${found.ino} ${found.mtimeMs} ${found.size}`
}
