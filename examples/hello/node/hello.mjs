import { App } from 'hostloop'

const app = new App()
app.get('/', async () => 'Hello, world!\n')

await app.run({ port: 8000 })
