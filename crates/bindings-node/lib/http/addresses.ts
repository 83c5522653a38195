/** Names and ports as addresses that the engine can bind. */

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

import { describe } from '../describe'
import { AddressError } from '../errors'

/** Where to listen. */
export interface At {
  /** 0 takes any free port. Default: 8000. */
  port?: number
  /** A name or an address; `0.0.0.0` and `::` are all of this machine's. Default: `127.0.0.1`. */
  host?: string
  /** A unix socket's path, in place of host and port. */
  path?: string
}

/** Resolves a place to listen at. Several, as for `localhost`, all listen on the same port. */
export async function resolve(at: At): Promise<string[]> {
  const { port = 8000, host = '127.0.0.1', path } = at
  if (path !== undefined) return [`unix:${checkPath(path, at)}`]
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new AddressError(`port is ${describe(port)}; give a number from 0 to 65535, where 0 takes any free one`)
  }
  const hosts = isIP(checkText('host', host)) ? [host] : await named(host)
  return [...new Set(hosts)].map(address => (isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`))
}

function checkPath(path: unknown, { port, host }: At): string {
  const known = checkText('path', path)
  if (port === undefined && host === undefined) return known
  const other = port === undefined ? `host is ${describe(host)}` : `port is ${describe(port)}`
  throw new AddressError(`path is ${describe(path)} and ${other}; give a unix socket's path, or host and port`)
}

function checkText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new AddressError(`${name} is ${describe(value)}; give a text that is not empty`)
  if (value.includes('\0')) throw new AddressError(`${name} is ${describe(value)}; give a text without zero bytes`)
  return value
}

async function named(host: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true, hints: 0 })
    return found.map(({ address }) => address)
  } catch (error) {
    const why = (error as Error).message
    throw new AddressError(`host ${JSON.stringify(host)} has no address: ${why}; use 127.0.0.1, ::1, 0.0.0.0 or a name that resolves`)
  }
}

/** Listens at each address; those after the first take the port that the first was given. */
export function listenAll(
  server: { listen(address: string, options?: { reusePort?: boolean }): string },
  addresses: readonly string[],
  reusePort = false,
): string[] {
  const bound: string[] = []
  for (const address of addresses) {
    const port = bound[0]?.slice(bound[0].lastIndexOf(':'))
    bound.push(server.listen(port !== undefined && address.endsWith(':0') ? address.slice(0, -2) + port : address, { reusePort }))
  }
  return bound
}
