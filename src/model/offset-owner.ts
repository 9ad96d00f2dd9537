/**
 * The name under which the offsets of a broadcasting member are kept among those of groups. No legal name of a group holds
 * the sign between its parts, so it can never be one.
 */
const SEPARATOR = '@'

export function offsetOwnerOf(group: string, clientId: string): string {
  return group + SEPARATOR + clientId
}

export function isOffsetOwner(name: string): boolean {
  return name.includes(SEPARATOR)
}

/** The group behind a name, and its member if it names one. */
export function parseOffsetOwner(name: string): { readonly group: string; readonly clientId?: string } {
  const place = name.indexOf(SEPARATOR)
  return place < 0 ? { group: name } : { group: name.slice(0, place), clientId: name.slice(place + 1) }
}
