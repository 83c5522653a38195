// Calls of a word in every place where one may stand: the line, and where it was called by its own account.

import source from '../../../dist/lifecycle/source.js'

const word = line => [line, source.calledAt(word)]

export const words = [word(7)]
await undefined
words.push(word(9))

class Sample {
  static made = word(12)

  call = () => word(14)
}

words.push(Sample.made, new Sample().call(), ...[17].map(line => word(line)).slice(0, 1))
