/** The cases of `conformance/lifecycle`, played by the container with real functions. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { WiringError } = require('hostloop')
const { wire } = require('../dist/lifecycle/writer.js')
const { actsOf, Case, load } = require('./lifecycle/cases.js')
const { Clock } = require('./lifecycle/clock.js')
const { Player } = require('./lifecycle/player.js')

const PLAYED = ['resolution.json', 'scopes.json', 'start_stop.json', 'workers.json', 'reload.json']

/** What only a host of the machine itself sees. */
const UNSEEN = ['because ', 'late ', 'left ', 'swap ']

for (const file of PLAYED) {
  for (const data of load(file)) {
    test(data.name, { skip: skipped(data) }, async () => {
      const player = new Player(data)
      await player.play()
      const { events, outcomes } = expected(data)
      if (isLeftToTheStop(data)) {
        // The machine says that it takes a value back while the container, which goes first, still closes scopes.
        player.log.sort()
        events.sort()
      }
      assert.deepEqual(player.log, events)
      assert.deepEqual(player.outcomes.toSorted(), outcomes.toSorted())
    })
  }
}

for (const data of load('wiring.json')) {
  test(data.name, () => {
    const sample = new Case(data, new Clock(), () => {})
    const [declared, overrides] = sample.declarations()
    let text
    try {
      text = wire(declared, overrides, sample.scopes)
        .plan.warnings()
        .map(warning => warning.text)
        .join('\n')
    } catch (error) {
      if (!(error instanceof WiringError)) throw error
      text = error.message
    }
    assert.deepEqual(text === '' ? [] : text.split('\n'), data.expect)
  })
}

function skipped(data) {
  const { nodes } = data
  if (nodes.some(node => node.kind === 'listener' && node.needs)) return 'the listener of a Node application needs nothing of the graph'
  if (nodes.some(node => actsOf(node, 'run').some(act => act.cancels))) return 'nobody but hostloop cancels a function in JavaScript'
  if (data.name.startsWith('S9 ')) return 'what is made in a shorter scope is not told of a cancellation: its scope waits for it'
  return false
}

/** The events of a case, and what became of its requests: whether there was a value. */
function expected(data) {
  const events = []
  const outcomes = []
  for (const line of data.expect) {
    const [, at, text] = /^(\S+) (.*)$/.exec(line)
    const [name, outcome] = text.split(' = ')
    if (outcome !== undefined) outcomes.push(`${name} = ${['made', 'there'].includes(outcome) ? 'value' : 'error'}`)
    else if (!UNSEEN.some(word => text.startsWith(word))) events.push(`${at} ${withoutReason(data, text)}`)
  }
  return { events, outcomes }
}

/** Whether a scope is open when the application stops. */
function isLeftToTheStop(data) {
  const words = data.steps.map(step => step.split(' ')[0])
  const count = (...wanted) => words.filter(word => wanted.includes(word)).length
  return count('open') > count('close', 'throw') && words.includes('stop')
}

/** An event as it is seen of shorter scopes, of which the machine knows nothing. */
function withoutReason(data, text) {
  const [what] = text.split(': ')
  const shorter = data.nodes.filter(node => !['app', 'transient'].includes(node.scope ?? 'app')).map(({ id }) => id)
  return what.startsWith('construct failed ') && shorter.includes(what.split(' ').at(-1)) ? what : text
}
