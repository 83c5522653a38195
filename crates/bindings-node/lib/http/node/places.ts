/** Where `listen` is asked to listen, in each of its forms. */

import { lookup } from 'node:dns/promises'
import { type AddressInfo, isIP } from 'node:net'

import type { HttpEngine } from '../engine'
import { checkType, shown, wrongType } from './checks'
import { isShared } from './cluster'
import { failure, systemError } from './failures'

/** What `listen` takes in place of single arguments. */
export interface ListenOptions {
  /** 0 takes any free port. Default: 0. */
  port?: number | string | undefined
  /** Default: all addresses of the machine. */
  host?: string | undefined
  /** A unix socket's path, in place of host and port. */
  path?: string | undefined
  /** A descriptor that listens already, in place of both. */
  fd?: number | undefined
  /** Whether several processes may share the port. Default: in a worker of `node:cluster`, unless the port is 0. */
  reusePort?: boolean | undefined
  /** Whether a worker of `node:cluster` shares its port with no other. Default: no. */
  exclusive?: boolean | undefined
  /** Whether to leave IPv4 out where no host is given. Default: no. */
  ipv6Only?: boolean | undefined
  /** Closes the server. */
  signal?: AbortSignal | undefined
  /** Ignored: the engine's queue of connections is as long as the system allows. */
  backlog?: number | undefined
}

type Arguments = readonly unknown[]

/** Reads the arguments of `listen`. */
export function readPlace(given: Arguments): { place: ListenOptions; callback: (() => void) | undefined } {
  const last = given.at(-1)
  const callback = typeof last === 'function' ? (last as () => void) : undefined
  const [first, second] = callback === undefined ? given : given.slice(0, -1)
  return { place: checked(toOptions(first, second)), callback }
}

function toOptions(first: unknown, second: unknown): ListenOptions {
  if (typeof first === 'object' && first !== null) return first as ListenOptions
  if (typeof first === 'string' && Number.isNaN(Number(first))) return { path: first }
  return { port: (first ?? 0) as number, host: typeof second === 'string' ? second : undefined }
}

/** Leaves one of port, path and descriptor, by which one `node:http` would listen. */
function checked(place: ListenOptions): ListenOptions {
  checkTypes(place)
  const { port, path, fd } = place
  if (typeof fd === 'number' && fd >= 0) return { ...place, port: undefined, path: undefined }
  const rest = { ...place, fd: undefined }
  if (typeof port === 'number' || typeof port === 'string') return { ...rest, port: portNumber(port), path: undefined }
  if (port === undefined || port === null) {
    if (typeof path === 'string' && path !== '') return { ...rest, port: undefined }
    if ('port' in place) return { ...rest, port: 0, path: undefined }
  }
  throw failure(TypeError, 'ERR_INVALID_ARG_VALUE', `listen needs a port, a path or a descriptor (fd). Received ${shown(place)}`)
}

function checkTypes({ host, reusePort, signal }: ListenOptions): void {
  if (host) checkType('hostname', host, 'string')
  checkType('options.reusePort', reusePort, 'boolean')
  if (signal === undefined || (typeof signal === 'object' && signal !== null && 'aborted' in signal)) return
  throw wrongType('options.signal', 'an instance of AbortSignal', signal)
}

function portNumber(port: number | string): number {
  const number = Number(port)
  if (Number.isInteger(number) && number >= 0 && number <= 65_535 && String(port).trim() !== '') return number
  throw failure(RangeError, 'ERR_SOCKET_BAD_PORT', `options.port should be >= 0 and < 65536. Received ${shown(port)}.`)
}

/** Whether the place is known without asking for a name's addresses. */
export function isKnown({ path, fd, host }: ListenOptions): boolean {
  return path !== undefined || fd !== undefined || !host || isIP(host) !== 0
}

/** Replaces a host's name by its addresses. */
export async function addressesOf({ host }: ListenOptions): Promise<string[]> {
  const found = await lookup(host!, { all: true })
  return [...new Set(found.map(({ address }) => address))]
}

/**
 * Listens there. `hosts` are the addresses of the place's name, or of the machine.
 *
 * @throws The error of a system call, as Node has it.
 */
export function bind(server: HttpEngine, place: ListenOptions, hosts: readonly string[]): void {
  const { path, fd, exclusive = false } = place
  if (fd !== undefined) return listenFd(server, fd)
  if (path !== undefined) return listenAt(server, `unix:${path}`, false, { address: path })
  let port = Number(place.port)
  const { reusePort = isShared(port, exclusive) } = place
  for (const host of hosts) {
    const where = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
    listenAt(server, where, reusePort, { address: host, port })
    port = portOf(server.addresses[0]!)
  }
}

/** Whatever is wrong with a descriptor, Node says that it is invalid. */
function listenFd(server: HttpEngine, fd: number): void {
  try {
    server.listenFd(fd)
  } catch {
    throw systemError('EINVAL', 'listen', { address: null })
  }
}

function listenAt(server: HttpEngine, where: string, reusePort: boolean, shown: { address: string; port?: number }): void {
  try {
    server.listen(where, { reusePort })
  } catch (error) {
    throw systemError(codeOf(error as Error), 'listen', shown)
  }
}

/** The engine says why in words. */
const REASONS: readonly [RegExp, string][] = [
  [/another socket listens/, 'EADDRINUSE'],
  [/may not listen/, 'EACCES'],
  [/folder of the socket/, 'ENOENT'],
  [/no such address/, 'EADDRNOTAVAIL'],
]

function codeOf({ message }: Error): string {
  return REASONS.find(([reason]) => reason.test(message))?.[1] ?? 'EINVAL'
}

/** The choices of a server that is to listen at all addresses of its machine: not every machine has IPv6. */
export function wildcards({ port, path, fd, ipv6Only = false }: ListenOptions): string[][] {
  if (path !== undefined || fd !== undefined) return [[]]
  if (ipv6Only) return [['::']]
  return [...choicesOf({ port }, ['::', '0.0.0.0']), ['0.0.0.0']]
}

/** The choices of a server that is to listen at several addresses: a port that is free at one may be taken at another. */
export function choicesOf({ port }: ListenOptions, hosts: string[]): string[][] {
  return port === 0 && hosts.length > 1 ? [hosts, hosts, hosts] : [hosts]
}

/** Whether the addresses do not say at which of them a client has connected. */
export function isWildcard(addresses: readonly string[]): boolean {
  return addresses.length > 1 || /^(\[::\]|0\.0\.0\.0):/.test(addresses[0] ?? '')
}

/** Takes `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock` apart. */
export function splitAddress(address: string): AddressInfo | string {
  if (address.startsWith('unix:')) return address.slice('unix:'.length)
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  return { address: host, family: isIP(host) === 6 ? 'IPv6' : 'IPv4', port: portOf(address) }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
