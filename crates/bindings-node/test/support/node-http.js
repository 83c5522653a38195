/** Servers made by `createServer`, and clients that say exactly what a test wants said. */

const { once } = require('node:events')
const net = require('node:net')

const { createServer } = require('../../dist/http/node')

/** Serves on a free port until the test has ended. */
async function serve(t, ...given) {
  const server = createServer(...given)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => stop(server))
  const { port } = server.address()
  return { server, port, url: `http://127.0.0.1:${port}` }
}

/** Closes a server and every connection of it. */
async function stop(server) {
  if (!server.listening) return
  const closed = new Promise(resolve => server.close(resolve))
  server.closeAllConnections()
  await closed
}

/** A client that writes bytes as they are given. */
class Client {
  constructor(port) {
    this.socket = net.connect(port, '127.0.0.1')
    this.text = ''
    this.isEnded = false
    this.waiting = []
    this.socket.setEncoding('latin1')
    this.socket.on('data', text => {
      this.text += text
      this.tell()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isEnded = true
      this.tell()
    })
  }

  tell() {
    for (const check of this.waiting.splice(0)) check()
  }

  send(...lines) {
    this.socket.write(lines.join('\r\n'))
    return this
  }

  /** Waits until what came matches, and gives the match. */
  async until(pattern) {
    for (;;) {
      const match = pattern.exec(this.text)
      if (match) return match
      if (this.isEnded) throw new Error(`the connection closed before ${pattern} came; there was ${JSON.stringify(this.text)}`)
      await new Promise(resolve => this.waiting.push(resolve))
    }
  }

  /** Waits until the server has closed, and gives all that came. */
  async rest() {
    while (!this.isEnded) await new Promise(resolve => this.waiting.push(resolve))
    return this.text
  }

  leave() {
    this.socket.resetAndDestroy()
  }
}

/** Connects, and leaves when the test has ended. */
function connect(t, port) {
  const client = new Client(port)
  t.after(() => client.socket.destroy())
  return client
}

/** Records the events of emitters, as `name event`. */
function recorder() {
  const told = []
  const record = (name, emitter, ...events) => {
    for (const event of events) emitter.on(event, () => told.push(`${name} ${event}`))
  }
  return { told, record }
}

/** A promise with its ends. */
function deferred() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

module.exports = { connect, createServer, deferred, recorder, serve, stop }
