/**
 * What members do with queues as long as they have them without interruption: from when they get a queue until they give it
 * back, lose it, or are sent elsewhere by a reset or a crash.
 */
import { nameOf, type SimEvent } from '../events.ts'
import type { CheckerHost } from './checker.ts'

interface Tenure<State> {
  readonly group: string
  readonly member: string
  readonly label: string
  readonly state: State
}

export class Tenures<State> {
  readonly #host: CheckerHost
  readonly #tenures = new Map<string, Tenure<State>>()
  /** Groups of which a member may not know in this life whether it has its queues. */
  readonly #cutOff = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  /** Whether it can be said for sure who has the queues of a group. */
  isClear(group: string): boolean {
    return !this.#cutOff.has(group)
  }

  get(group: string, member: string, label: string): State | undefined {
    return this.#tenures.get(keyOf(group, member, label))?.state
  }

  set(group: string, member: string, label: string, state: State): void {
    this.#tenures.set(keyOf(group, member, label), { group, member, label, state })
  }

  *ofMember(group: string, member: string): Iterable<readonly [label: string, state: State]> {
    for (const tenure of this.#tenures.values())
      if (tenure.group === group && tenure.member === member) yield [tenure.label, tenure.state]
  }

  *ofQueue(group: string, label: string): Iterable<{ readonly member: string; readonly state: State }> {
    for (const tenure of this.#tenures.values())
      if (tenure.group === group && tenure.label === label) yield tenure
  }

  observe(event: SimEvent): void {
    switch (event.type) {
      case 'opened':
        this.#tenures.clear()
        this.#cutOff.clear()
        return
      case 'verb-failed':
        if (event.group === undefined || !/lock/i.test(event.verb)) return
        this.#cutOff.add(event.group)
        this.#end(({ group }) => group === event.group)
        return
      case 'joining':
      case 'unregistered':
        this.#end(({ group, member }) => group === event.group && member === event.member)
        return
      case 'unlocked':
        for (const queue of event.queues) this.#endQueue(event.group, event.member, nameOf(queue))
        return
      case 'locked': {
        const granted = new Set(event.granted.map(nameOf))
        for (const name of event.asked.map(nameOf))
          if (!granted.has(name)) this.#endQueue(event.group, event.member, name)
        return
      }
      case 'topic-changed': {
        const readQueueNums = event.config?.readQueueNums ?? 0
        this.#end(({ label }) => {
          const name = this.#host.model.queues.byLabel(label)?.name
          return name?.topic === event.topic && name.queueId >= readQueueNums
        })
        return
      }
      case 'resetting':
      case 'reset':
        this.#end(({ group, label }) => group === event.group && this.#topicOf(label) === event.topic)
    }
  }

  #endQueue(group: string, member: string, name: string): void {
    this.#end(
      (tenure) => tenure.group === group && tenure.member === member && this.#nameOf(tenure.label) === name,
    )
  }

  #end(isOver: (tenure: Tenure<State>) => boolean): void {
    for (const [key, tenure] of this.#tenures) if (isOver(tenure)) this.#tenures.delete(key)
  }

  #nameOf(label: string): string | undefined {
    const queue = this.#host.model.queues.byLabel(label)
    return queue && nameOf(queue.name)
  }

  #topicOf(label: string): string | undefined {
    return this.#host.model.queues.byLabel(label)?.name.topic
  }
}

function keyOf(group: string, member: string, label: string): string {
  return `${group}@${member}@${label}`
}
