/** When a delayed message becomes visible (semantics section 10). */

/** After the delay of a level, 1 and up, or at a time in milliseconds since 1970. */
export type Delay = { readonly delayTimeLevel: number } | { readonly deliveryTimestamp: number }
