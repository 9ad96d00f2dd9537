/** A gate: one of the things that stand between a stored message and a listener. */

/**
 * The gates, in the order in which a message meets them:
 *
 * - `stored`: the copy is there, and retention has not removed it.
 * - `topic`: its topic may be read, and consumers see its queue.
 * - `group`: the group may consume.
 * - `subscription`: a member subscribes to the topic.
 * - `filter`: the tag expression of the member that has the queue lets it pass.
 * - `assignment`: a member has the queue. It waits while another hands it over.
 * - `offset`: the group has not gone past it, by consuming it, by where it began, or by a reset.
 * - `pause`: the member is not paused.
 * - `flow-control`: the member has room for more of this queue.
 * - `fetch`: a pull has brought it.
 * - `listener`: a call of the listener is free for it; then it runs.
 * - `retry`: it failed, and the time of its next delivery has come.
 * - `dead-letter`: it has not failed for good.
 */
export type GateName =
  | 'stored'
  | 'topic'
  | 'group'
  | 'subscription'
  | 'filter'
  | 'assignment'
  | 'offset'
  | 'pause'
  | 'flow-control'
  | 'fetch'
  | 'listener'
  | 'retry'
  | 'dead-letter'

/**
 * `passed`: it does not hold the message back. `closed`: it does, until somebody changes something. `waiting`: it does, and
 * opens by itself. `unknown`: that depends on a gate before it, or cannot be told any more.
 */
export type GateVerdict = 'passed' | 'closed' | 'waiting' | 'unknown'

/** A gate and how it stands. */
export interface Gate {
  readonly name: GateName
  readonly verdict: GateVerdict
  /** Why, in words. */
  readonly reason: string
  /** When it opens, in milliseconds since 1970, where that is known; earlier if what it waits for ends earlier. */
  readonly opensTimestamp?: number | undefined
}

export function passed(name: GateName, reason: string): Gate {
  return { name, verdict: 'passed', reason }
}

export function closed(name: GateName, reason: string): Gate {
  return { name, verdict: 'closed', reason }
}

export function waiting(name: GateName, reason: string, opensTimestamp?: number): Gate {
  return { name, verdict: 'waiting', reason, opensTimestamp }
}

export function unknown(name: GateName, reason: string): Gate {
  return { name, verdict: 'unknown', reason }
}

/** The first gate that holds the message back. */
export function firstShut(gates: readonly Gate[]): Gate | undefined {
  return gates.find(({ verdict }) => verdict === 'closed' || verdict === 'waiting')
}

/** A moment as all texts of an explanation write it. */
export function timeText(timestamp: number): string {
  return new Date(timestamp).toISOString()
}
