/**
 * Pulling: checks, read, and waiting where there is nothing new (semantics sections 4.6, 5.1 and 5.2).
 *
 * A parked pull looks at what is appended in the same turn. What its filter lets through answers it; what it does not is
 * passed over, so nothing is looked at twice, and the pull answers `NO_MATCHED_MSG` soon after, so that the group's
 * progress follows. RocketMQ answers such a pull at its next five-second tick.
 */
import type { Clock } from '../model/clock.ts'
import type { PullRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { PULL_SCAN_COUNT } from '../model/limits.ts'
import type { PullResult } from '../model/results.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Groups } from './groups.ts'
import type { Members } from './members.ts'
import { brokerClosed, checkMayConsume, checkReadable } from './permissions.ts'
import { readMessages } from './read-messages.ts'
import type { Topics } from './topics.ts'
import { type ParkedPull, Waiters } from './waiters.ts'

export class Pull {
  readonly #groups: Groups
  readonly #topics: Topics
  readonly #members: Members
  readonly #waiters: Waiters

  #closed = false

  constructor(groups: Groups, topics: Topics, members: Members, clock: Clock) {
    this.#groups = groups
    this.#topics = topics
    this.#members = members
    this.#waiters = new Waiters(clock)
  }

  pull(request: PullRequest): Promise<PullResult> {
    try {
      const log = this.#check(request)
      const result = readMessages(log, request, request.offset)
      const parks = !(result instanceof Promise) && result.status === 'NO_NEW_MSG' && canWait(request)
      return parks ? this.#waiters.park(log, request) : Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Messages were appended to this queue. */
  wake(log: QueueLog): void {
    const parked = this.#waiters.on(log)
    if (parked === undefined) return
    for (const pull of parked) lookAgain(pull)
  }

  /** Settings changed: pulls that would now be refused do not go on waiting. */
  recheck(): void {
    for (const pull of this.#waiters.all()) {
      try {
        this.#check(pull.request)
      } catch (error) {
        pull.refuse(error)
      }
    }
  }

  /** Refuses what waits and what comes. */
  close(): void {
    this.#closed = true
    this.#waiters.close(brokerClosed())
  }

  /** The checks of RocketMQ's `PullMessageProcessor`, in its order. */
  #check({ group, queue }: PullRequest): QueueLog {
    if (this.#closed) throw brokerClosed()
    const groupEntry = this.#groups.entry(group)
    checkMayConsume(groupEntry)
    if (!groupEntry.config.consumeBroadcastEnable && this.#members.hasBroadcasters(group)) {
      throw new MQError('NO_PERMISSION', `The group '${group}' does not permit broadcasting consumers.`)
    }
    const entry = this.#topics.entry(queue.topic)
    checkReadable(entry)
    return this.#topics.readLogIn(entry, queue)
  }
}

function canWait({ suspendMs, signal }: PullRequest): boolean {
  return suspendMs > 0 && signal?.aborted !== true
}

function lookAgain(pull: ParkedPull): void {
  try {
    const result = readMessages(pull.log, pull.request, pull.offset)
    if (result instanceof Promise || !goesOnWaiting(pull, result)) pull.answer(result)
    else if (result.nextBeginOffset > pull.offset) pull.passOver(result.nextBeginOffset)
  } catch (error) {
    pull.refuse(error)
  }
}

function goesOnWaiting({ request }: ParkedPull, { status, nextBeginOffset }: PullResult): boolean {
  if (status === 'NO_MATCHED_MSG') return nextBeginOffset - request.offset < PULL_SCAN_COUNT
  return status === 'NO_NEW_MSG'
}
