/** What a header field may be. */

/** What a field's value may not hold: it would break the response. */
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/
/** White space around a value, as the web's `Headers` has it. */
const MARGINS = /^[\t\n\r ]+|[\t\n\r ]+$/g
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** A field's value without the white space around it, which is no part of it. */
export function inner(value: string): string {
  return hasMargin(value) ? value.replace(MARGINS, '') : value
}

/** What is wrong with a field, and the fix; empty if nothing is. Its value has no white space around it. */
export function flawOf(name: string, value: string): string {
  if (!TOKEN.test(name)) return `header name ${JSON.stringify(name)} is not a token; use letters, digits and -`
  if (!BAD_VALUE.test(value)) return ''
  const fix = 'remove line breaks, control characters and characters beyond Latin-1'
  return `header ${name} has the value ${JSON.stringify(value)}, which would break the response; ${fix}`
}

function hasMargin(value: string): boolean {
  return value !== '' && (value.charCodeAt(0) <= 0x20 || value.charCodeAt(value.length - 1) <= 0x20)
}
