// A primary of node:cluster with two workers on one port. Says by messages what happens, and does what messages say.

const cluster = require('node:cluster')

const { createServer } = require('../../dist/http/node')

const [options] = process.argv.slice(2)

if (cluster.isPrimary) {
  const say = message => process.connected && process.send(message)
  cluster.on('listening', (worker, address) => say({ event: 'listening', pid: worker.process.pid, address }))
  cluster.on('message', (worker, message) => say({ pid: worker.process.pid, ...message }))
  cluster.on('exit', (worker, code, signal) => say({ event: 'exit', pid: worker.process.pid, code, signal }))
  process.on('message', order => {
    if (order === 'fork') cluster.fork()
    if (order === 'disconnect') cluster.disconnect(() => say({ event: 'disconnected' }))
  })
  process.on('disconnect', () => process.exit())
} else {
  const server = createServer((request, response) => response.end(String(process.pid)))
  server.on('error', ({ code }) => process.send({ event: 'error', code }))
  server.on('close', () => process.connected && process.send({ event: 'close' }))
  server.listen(JSON.parse(options), () => process.send({ event: 'bound', at: server.address() }))
}
