// hostloop's own server and routes: `node hostloop-app.js PORT`.

const { setTimeout: sleep } = require('node:timers/promises')

const { Server } = require('hostloop')

const { priced } = require('./item')
const { pieces } = require('./pieces')

const server = new Server()

server.route('GET', '/', async () => 'Hello, World!')
server.route('POST', '/items/{id}', async request => priced(Number(request.params.id), await request.json()))
server.route('POST', '/echo', async request => request.bytes())
server.route('GET', '/stream', pieces)
server.route('GET', '/sleep', async () => {
  await sleep(10)
  return 'ok'
})

const [port] = process.argv.slice(2)
server.listen(`127.0.0.1:${port}`)
