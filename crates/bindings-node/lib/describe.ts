/** What a value looks like in a text. */
export function describe(value: unknown): string {
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'a list' : `an object of ${(value.constructor as { name?: string } | undefined)?.name ?? 'no class'}`
}
