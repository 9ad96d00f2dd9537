/**
 * What the members of a group gave themselves when they last shared out a topic, to find queues that fall to nobody: each
 * member knows only its own share. It speaks only when all of them asked the same strategy about the same members and queues,
 * so it says nothing of groups that have members elsewhere, or of other minds.
 */
import type { Engine } from '../model/engine.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'

/** Who asked its strategy, and between whom. */
interface Answer {
  readonly group: string
  readonly clientId: string
  readonly strategy: string
  readonly ids: readonly string[]
}

interface Share {
  /** By what, among whom, and of what. */
  readonly round: string
  readonly keys: ReadonlySet<string>
}

/** What is known of a topic of a group. */
interface Page {
  readonly shares: Map<string, Share>
  /** The round for which somebody was told of queues that are left. */
  toldRound: string | undefined
}

const books = new WeakMap<Engine, AllocationBook>()

export class AllocationBook {
  /** By group, then by topic. */
  readonly #pages = new Map<string, Map<string, Page>>()

  /** The book of an engine, which all its clients share. */
  static of(engine: Engine): AllocationBook {
    const book = books.get(engine) ?? new AllocationBook()
    books.set(engine, book)
    return book
  }

  /** A member gave itself some queues of a topic. Answers those that fall to nobody, once for each assignment. */
  note(
    { group, clientId, strategy, ids }: Answer,
    topic: string,
    queues: readonly MessageQueue[],
    share: readonly MessageQueue[],
  ): readonly MessageQueue[] {
    const page = this.#page(group, topic)
    const round = JSON.stringify([strategy, ids, queues.map(queueKey)])
    page.shares.set(clientId, { round, keys: new Set(share.map(queueKey)) })
    const shares = ids.map((id) => page.shares.get(id))
    if (shares.some((each) => each?.round !== round)) return []
    const left = queues.filter((queue) => !shares.some((each) => each?.keys.has(queueKey(queue))))
    const isTold = page.toldRound === round
    page.toldRound = left.length === 0 ? undefined : round
    return isTold ? [] : left
  }

  /** A member leaves the group. */
  leave(group: string, clientId: string): void {
    const pages = this.#pages.get(group)
    for (const [topic, { shares }] of pages ?? []) {
      shares.delete(clientId)
      if (shares.size === 0) pages?.delete(topic)
    }
    if (pages?.size === 0) this.#pages.delete(group)
  }

  #page(group: string, topic: string): Page {
    const pages = this.#pages.get(group) ?? new Map<string, Page>()
    this.#pages.set(group, pages)
    const page = pages.get(topic) ?? { shares: new Map<string, Share>(), toldRound: undefined }
    pages.set(topic, page)
    return page
  }
}
