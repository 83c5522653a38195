// node:http without a framework: `node node-http-app.js PORT`.

const { createServer } = require('node:http')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { setTimeout: sleep } = require('node:timers/promises')

const { priced } = require('./item')
const { pieces } = require('./pieces')

const ITEMS = '/items/'
const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
const BYTES = 'application/octet-stream'

async function handle(request, response) {
  const { method, url } = request
  if (method === 'GET' && url === '/') {
    respond(response, 'Hello, World!', TEXT)
  } else if (method === 'POST' && url.startsWith(ITEMS)) {
    const item = JSON.parse((await readBody(request)).toString())
    respond(response, JSON.stringify(priced(Number(url.slice(ITEMS.length)), item)), JSON_TYPE)
  } else if (method === 'POST' && url === '/echo') {
    respond(response, await readBody(request), BYTES)
  } else if (method === 'GET' && url === '/stream') {
    response.writeHead(200, { 'Content-Type': BYTES })
    await pipeline(Readable.from(pieces()), response)
  } else if (method === 'GET' && url === '/sleep') {
    await sleep(10)
    respond(response, 'ok', TEXT)
  } else {
    respond(response, 'not found', TEXT, 404)
  }
}

function respond(response, body, type, status = 200) {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

function readBody(request) {
  return new Promise((resolve, reject) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  handle(request, response).catch(error => response.destroy(error))
})

const [port] = process.argv.slice(2)
server.listen(port, '127.0.0.1')
