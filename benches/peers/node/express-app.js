// One express application on either server: `node express-app.js PORT node:http|hostloop`.

const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { setTimeout: sleep } = require('node:timers/promises')

const express = require('express')

const { priced } = require('./item')
const { pieces } = require('./pieces')

const app = express()

app.get('/', async (request, response) => {
  response.type('text/plain').send('Hello, World!')
})
app.post('/items/:id', express.json(), async (request, response) => {
  response.json(priced(Number(request.params.id), request.body))
})
app.post('/echo', express.raw(), async (request, response) => {
  response.send(request.body)
})
app.get('/stream', async (request, response) => {
  response.type('application/octet-stream')
  await pipeline(Readable.from(pieces()), response)
})
app.get('/sleep', async (request, response) => {
  await sleep(10)
  response.type('text/plain').send('ok')
})

const [port, server] = process.argv.slice(2)
const { createServer } = require(server)
createServer({ keepAliveTimeout: 75_000 }, app).listen(port, '127.0.0.1')
