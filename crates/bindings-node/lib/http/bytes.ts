/** Bytes, in whatever they come. */

import { isAnyArrayBuffer } from 'node:util/types'

/** Whether it is a buffer or a view of one, also of another realm, as a test runner makes them. */
export function isBytes(value: unknown): value is ArrayBufferView | ArrayBuffer {
  return ArrayBuffer.isView(value) || isAnyArrayBuffer(value)
}

/** The bytes, where they lie. */
export function toBytes(value: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
}
