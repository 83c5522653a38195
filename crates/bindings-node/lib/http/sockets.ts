/** The sockets that workers listen on, bound once by their supervisor. */

import { typed } from '../typed'
import { ListeningSocket, type NativeListeningSocket } from '../native'

/** The sockets of several places. Each place has its own of a TCP address, and all share that of a unix socket. */
export class Sockets {
  /** The addresses as they were bound. */
  readonly addresses: readonly string[]
  readonly #places: NativeListeningSocket[][]

  /** @throws AddressError if an address cannot be listened on, or is shared by somebody else. */
  constructor(places: number, addresses: readonly string[]) {
    this.#places = Array.from({ length: places }, () => [])
    try {
      this.addresses = addresses.map(address => this.#bind(address))
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The descriptors of a place. */
  fds(place: number): number[] {
    return this.#places[place]!.map(socket => socket.fd)
  }

  close(): void {
    for (const sockets of this.#places) for (const socket of sockets.splice(0)) socket.close()
  }

  #bind(address: string): string {
    if (address.startsWith('unix:')) {
      const socket = typed(() => new ListeningSocket(address, false))
      for (const sockets of this.#places) sockets.push(socket)
      return socket.address!
    }
    // Workers share their port. Whoever else shares it would get a part of the clients, so there must be nobody.
    typed(() => new ListeningSocket(address, false)).close()
    let bound = address
    for (const sockets of this.#places) {
      const socket = typed(() => new ListeningSocket(bound, true))
      sockets.push(socket)
      bound = socket.address!
    }
    return bound
  }
}
