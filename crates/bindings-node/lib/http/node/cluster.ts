/** A worker of `node:cluster`: it shares its port, says that it listens, and stops listening with its worker. */

import type { NodeServer } from './server'

type Cluster = typeof import('node:cluster').default

/** Whether the workers listen at the port together, each on a socket of its own. */
export function isShared(port: number, exclusive: boolean): boolean {
  return port !== 0 && !exclusive && workerOf() !== undefined
}

/** Has the worker's primary hear of a server that listens now, and the server close when the worker disconnects. */
export function joinCluster(server: NodeServer): void {
  const worker = workerOf()
  if (worker === undefined) return
  tellPrimary(server)
  const close = () => server.close()
  worker.once('disconnect', close)
  server.once('close', () => worker.off('disconnect', close))
}

/** What this process is to its cluster. The module is loaded no sooner than something listens. */
function workerOf(): Cluster['worker'] {
  return (require('node:cluster') as Cluster).worker
}

/** Sends what a server of Node's sends. The primary emits `listening` for it, which process managers wait for. */
function tellPrimary(server: NodeServer): void {
  const found = server.address()
  if (found === null || process.send === undefined) return
  const place = typeof found === 'string' ? { address: found, port: -1, addressType: -1 } : placeOf(found.port, server.local)
  // A primary that has gone is told of by `disconnect`.
  process.send({ cmd: 'NODE_CLUSTER', act: 'listening', ...place }, undefined, undefined, () => {})
}

/** Where a server listens at all addresses of its machine, Node has no address here, and IPv4. */
function placeOf(port: number, { address = null, family }: { address?: string | null; family?: string }): object {
  return { address, port, addressType: family === 'IPv6' ? 6 : 4 }
}
