/** What TypeScript infers, and what it refuses. Nothing of this is run. */

import {
  all,
  App,
  type Given,
  lazy,
  type Lazy,
  Lifecycle,
  type LifecycleError,
  named,
  optional,
  type Scope,
  token,
  type Token,
  type WorkerContext,
} from 'hostloop'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

class Settings {
  readonly path: string = 'links.db'
}
interface Database {
  query(text: string): Promise<string[]>
  close(): Promise<void>
}
class Links {
  constructor(readonly db: Database) {}
  target(code: string): string {
    return code
  }
}
class Shared {
  private constructor(readonly secret: string) {}
}
abstract class Mailer {
  abstract send(to: string): void
}
class Smtp extends Mailer {
  send(to: string): void {}
}

const Db = token<Database>('db')
declare function open(path: string): Promise<Database>

// What is given.
same<Given<typeof Db>, Database>(true)
same<Given<typeof Links>, Links>(true)
const maybe = optional(Db)
same<Given<typeof maybe>, Database | undefined>(true)
const later = lazy(Links)
same<Given<typeof later>, Lazy<Links>>(true)
const every = all(Mailer)
same<Given<typeof every>, Mailer[]>(true)
const replica = named(Db, 'replica')
same<typeof replica, Token<Database>>(true)
const maybeLater = optional(lazy(Db))
same<Given<typeof maybeLater>, Lazy<Database> | undefined>(true)

const app = new App({ lifetimes: { stopTimeout: 20, startTimeout: null }, scopes: ['app', 'session', 'request'] })

// Factories.
app.supply(Settings, new Settings())
app.provide(
  Db,
  [Settings],
  async function* (settings) {
    same<typeof settings, Settings>(true)
    const db = await open(settings.path)
    yield db
    await db.close()
  },
  { timeout: 5 },
)
app.provide(replica, [Settings], settings => open(settings.path))
app.provide(Db, [Settings, Lifecycle], async (settings, lifecycle) => {
  lifecycle.hook({ onStart: ({ signal }) => signal.throwIfAborted(), timeout: null })
  return open(settings.path)
})
app.provide(Links, [Db])
app.provide(Links, [Db], db => new Links(db), { scope: 'request', dispose: false })
app.provide(Mailer, Smtp)
app.provide(Mailer, () => new Smtp())
app.provide(Settings)
app.decorate(Db, [optional(Mailer)], (db, mailer) => {
  same<typeof db, Database>(true)
  same<typeof mailer, Mailer | undefined>(true)
  return db
})
app.alias(Mailer, Smtp)

// @ts-expect-error a promise of another type
app.provide(Db, async () => 7)
// @ts-expect-error a parameter that is not given
app.provide(Links, [Settings], (settings, db: Database) => new Links(db))
// @ts-expect-error another type than is given
app.provide(Links, [Settings], (db: Database) => new Links(db))
// @ts-expect-error the constructor takes a database
app.provide(Links, [Settings])
// @ts-expect-error the constructor takes something
app.provide(Links)
// @ts-expect-error an option that there is not
app.provide(Settings, { timeOut: 5 })
// @ts-expect-error a value of another class
app.supply(Settings, 7)
// @ts-expect-error a text is no key
app.provide('db', () => 1)
// @ts-expect-error a class without a public constructor cannot be constructed
app.provide(Shared)
// @ts-expect-error another type
app.alias(Mailer, Db)

// What runs.
app.invoke([Db, every], async (db, mailers) => {
  same<typeof mailers, Mailer[]>(true)
  await db.query('')
})
app.hook([Db], {
  onStart: async (db, { signal }) => {
    same<typeof db, Database>(true)
    same<typeof signal, AbortSignal>(true)
  },
  onStop: db => db.close(),
  timeout: 2,
})
app.hook({ onStop: ({ signal }) => signal.aborted })
app.worker(
  'sweeper',
  [Links],
  async (links, { sleep, signal, ready, tick, attempt }) => {
    same<typeof attempt, number>(true)
    while (await sleep(60)) links.target('')
  },
  { restart: 'on-failure', onExhausted: 'degrade', after: ['other'] },
)
app.worker('plain', async context => same<typeof context, WorkerContext>(true))

// @ts-expect-error a word that there is not
app.worker('sweeper', async () => {}, { restart: 'sometimes' })
// @ts-expect-error a worker has a name
app.worker([Links], async () => {})
// @ts-expect-error neither
app.hook([Db], db => db.close())

// Handlers.
app
  .get('/{code}', [Links, maybe], async (request, links, db) => {
    same<typeof links, Links>(true)
    same<typeof db, Database | undefined>(true)
    return links.target(request.params['code']!)
  })
  .post('/', request => request.json())
  .route('LOCK', '/', [later], async (request, links) => (await links.get()).target(''))

// @ts-expect-error a handler is given what it asks for
app.get('/', [Links], (request, db: Database) => '')

// Modules and overrides.
app.module('billing', module => module.provide(Links, [Db], { private: true }))
const other: App = app.override(Mailer, new Smtp()).override(module => module.supply(Mailer, new Smtp()))
// @ts-expect-error a value of another class
app.override(Mailer, new Settings())

// Asking.
const links: Links = await app.resolve(Links)
const found = await app.resolve(every, { signal: AbortSignal.timeout(100) })
same<typeof found, Mailer[]>(true)
// @ts-expect-error what is optional stands in a list
await app.resolve(maybe)
// @ts-expect-error what is lazy too
await app.resolve(later)
const length = await app.scope('request', async scope => {
  same<typeof scope, Scope>(true)
  return (await scope.resolve(Db)).query('').then(rows => rows.length)
})
same<typeof length, number>(true)
await app.scope('session', [[Settings, new Settings()]], scope => scope.get(Links).target(''))
await using scope = app.scope('request')
await using client = await app.test()
await client.post('/', { json: { a: 1 } })

// Errors.
try {
  await app.run({ port: 8000, reload: [[Settings, ['settings.toml']]], exitAfter: null })
} catch (error) {
  const errors: unknown[] = (error as LifecycleError).errors
}
