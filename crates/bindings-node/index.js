// For `require`. Each part is loaded when it is first named: an application on `createServer` loads a third of it, which is less for V8
// to look through in each collection.

lazily(['App'], () => require('./dist/app.js'))
lazily(['TestClient'], () => require('./dist/app/testing.js'))
lazily(['Lifecycle'], () => require('./dist/lifecycle/handles.js'))
lazily(['all', 'lazy', 'named', 'optional', 'token'], () => require('./dist/lifecycle/keys.js'))
lazily(['HostRequest', 'whenEnded'], () => require('./dist/http/request.js'))
lazily(['HostResponse'], () => require('./dist/http/response.js'))
lazily(['createServer'], () => require('./dist/http/node/index.js'))
lazily(['serve'], () => require('./dist/http/serve.js'))
lazily(['Server'], () => require('./dist/http/server.js'))
Object.assign(exports, require('./dist/errors.js'))

function lazily(names, load) {
  for (const name of names) Object.defineProperty(exports, name, { enumerable: true, get: () => load()[name] })
}
