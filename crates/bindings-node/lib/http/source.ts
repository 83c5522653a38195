/** Where the pieces of a streamed response come from, and how they are told that no more are wanted. */

/** Gives pieces one by one. */
export interface Source {
  next(): Promise<IteratorResult<unknown>>
  /** Ends it early. It returns at once, and whatever fails in the source is not the response's error. */
  leave(): void
  /** Whether it has come to its end: nothing is left to leave. */
  isExhausted: boolean
  /** Whether `leave` makes a `next` that is waited for fail. */
  readonly failsWhenLeft: boolean
}

/** Reads a stream; leaving cancels it, also while it is waited for. */
export class StreamSource implements Source {
  isExhausted = false
  readonly failsWhenLeft = false
  readonly #reader: ReadableStreamDefaultReader<unknown>
  /** What was asked for already. */
  readonly #asked: Promise<IteratorResult<unknown>>[] = []

  constructor(stream: ReadableStream<unknown>) {
    this.#reader = stream.getReader()
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#asked.shift() ?? this.#read()
  }

  /** Asks for a piece that `next` will give. */
  ask(): Promise<IteratorResult<unknown>> {
    const piece = this.#read()
    this.#asked.push(piece)
    return piece
  }

  leave(): void {
    quietly(() => this.#reader.cancel())
  }

  #read(): Promise<IteratorResult<unknown>> {
    return this.#reader.read() as Promise<IteratorResult<unknown>>
  }
}

/** Takes the pieces of an async iterable. */
export class IterableSource implements Source {
  isExhausted = false
  readonly failsWhenLeft: boolean
  readonly #iterable: AsyncIterable<unknown>
  readonly #pieces: AsyncIterator<unknown>

  constructor(iterable: AsyncIterable<unknown>) {
    this.failsWhenLeft = isNodeStream(iterable)
    this.#iterable = iterable
    this.#pieces = iterable[Symbol.asyncIterator]()
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#pieces.next()
  }

  leave(): void {
    // An iterator of a stream of Node's ends no sooner than the piece that it waits for comes.
    const iterable: object = this.#iterable
    if (isNodeStream(iterable)) quietly(() => iterable.destroy())
    quietly(() => this.#pieces.return?.())
  }
}

/** Ends the source of a response that will not be sent. */
export function discard(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (value instanceof ReadableStream) quietly(() => value.cancel())
  else if (isNodeStream(value)) quietly(() => value.destroy())
  else if (Symbol.asyncIterator in value) quietly(() => (value as Partial<AsyncIterator<unknown>>).return?.())
}

function isNodeStream(value: object): value is { destroy(): void } {
  const { destroy, pipe } = value as { destroy?: unknown; pipe?: unknown }
  return typeof destroy === 'function' && typeof pipe === 'function'
}

function quietly(end: () => unknown): void {
  try {
    Promise.resolve(end()).catch(() => {})
  } catch {
    // The response has an error of its own, or nobody who would hear of one.
  }
}
