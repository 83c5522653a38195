// One file of two, which Vitest runs in workers of their own.

import { suite } from './suite.mjs'

suite()
