// A service under Vitest.

import { App, HTTPError } from 'hostloop'
import { afterEach, beforeEach, expect, test } from 'vitest'

class Counter {
  count = 0
}

const build = () =>
  new App()
    .provide(Counter)
    .get('/', [Counter], (request, counter) => ({ count: ++counter.count }))
    .get('/gone', () => {
      throw new HTTPError(410, 'gone')
    })

/** Declares the tests, for the file that calls it. */
export function suite() {
  let client

  beforeEach(async () => {
    client = await build().test()
  })

  afterEach(() => client.close())

  test('values are made and injected', async () => {
    expect(await (await client.get('/')).json()).toEqual({ count: 1 })
    expect(await (await client.get('/')).json()).toEqual({ count: 2 })
  })

  test('errors are answered', async () => {
    expect((await client.get('/gone')).status).toBe(410)
  })

  test('it serves', async () => {
    const app = build()
    await app.start({ port: 0 })
    expect(await (await fetch(app.url)).json()).toEqual({ count: 1 })
    await app.stop()
  })
}
