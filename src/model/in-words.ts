/** What an application gave, in the words of an error: short, on one line, and whatever it is. */

/** Characters of a string that are shown. */
const SHOWN_LENGTH = 64
/** Among them what would begin a new line of a log. */
const CONTROL_CHARACTERS = /[\p{Cc}\u2028\u2029]/gu

/** A refused value in words. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') {
    const isLong = value.length > SHOWN_LENGTH
    return `'${onOneLine(isLong ? `${value.slice(0, SHOWN_LENGTH)}...` : value)}'`
  }
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** Text of others without control characters. */
export function onOneLine(text: string): string {
  return text.replace(CONTROL_CHARACTERS, ' ')
}
