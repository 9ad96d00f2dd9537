/**
 * Who is online: the consumers and producers of each group, in memory only. Clients live in this process, so they come
 * and go by word, not by heartbeat, and the others hear of it in the same turn.
 */
import type { ConsumerRegistration } from '../model/engine.ts'
import type { Announcer } from './announcer.ts'
import { sameSubscriptions } from './same-subscriptions.ts'

type Consumers = Map<string, ConsumerRegistration>

export class Members {
  readonly #announcer: Announcer

  readonly #consumers = new Map<string, Consumers>()
  readonly #producers = new Map<string, Set<string>>()

  constructor(announcer: Announcer) {
    this.#announcer = announcer
  }

  /** Adds a consumer or replaces what it subscribes to. */
  join(registration: ConsumerRegistration): void {
    const { group, clientId } = registration
    const consumers = this.#consumers.get(group) ?? new Map<string, ConsumerRegistration>()
    const before = consumers.get(clientId)
    consumers.set(clientId, registration)
    this.#consumers.set(group, consumers)
    if (before !== undefined && sameRegistration(before, registration)) return
    this.#warnOfMismatch(consumers, registration)
    this.#announce(group, before === undefined)
  }

  leave(group: string, clientId: string): void {
    const consumers = this.#consumers.get(group)
    if (!consumers?.delete(clientId)) return
    if (consumers.size === 0) this.#consumers.delete(group)
    this.#announce(group, true)
  }

  /** Client ids of the consumers, in the order that allocation needs. */
  consumerIds(group: string): readonly string[] {
    return [...(this.#consumers.get(group)?.keys() ?? [])].sort()
  }

  /** The consumers of a group as they registered, in the order that allocation needs. */
  registrations(group: string): readonly ConsumerRegistration[] {
    return this.consumerIds(group).map((id) => this.#consumers.get(group)!.get(id)!)
  }

  /** Whether any consumer of the group subscribes to the topic now. */
  subscribes(group: string, topic: string): boolean {
    const consumers = [...(this.#consumers.get(group)?.values() ?? [])]
    return consumers.some(({ subscriptions }) => subscriptions.has(topic))
  }

  joinProducer(group: string, clientId: string): void {
    const producers = this.#producers.get(group)
    if (producers === undefined) this.#producers.set(group, new Set([clientId]))
    else producers.add(clientId)
  }

  leaveProducer(group: string, clientId: string): void {
    const producers = this.#producers.get(group)
    if (producers?.delete(clientId) && producers.size === 0) this.#producers.delete(group)
  }

  #announce(group: string, membersChanged: boolean): void {
    this.#announcer.tell({ type: 'consumer-ids-changed', group })
    if (membersChanged) this.#announcer.emit('group-changed', { group, clientIds: this.consumerIds(group) })
  }

  /** Members share queues by number, whatever they subscribe to, so a difference loses messages (semantics 5.5). */
  #warnOfMismatch(consumers: Consumers, registration: ConsumerRegistration): void {
    const { group, clientId } = registration
    const other = [...consumers.values()].find((member) => !sharesFairly(member, registration))
    if (other === undefined) return
    const message =
      `Consumer '${clientId}' of the group '${group}' registers other subscriptions than '${other.clientId}'; ` +
      'all members of a group must subscribe to the same topics with the same expressions.'
    this.#announcer.emit('warning', { code: 'SUBSCRIPTION_MISMATCH', message })
  }
}

function sameRegistration(a: ConsumerRegistration, b: ConsumerRegistration): boolean {
  return a.messageModel === b.messageModel && sameSubscriptions(a.subscriptions, b.subscriptions)
}

/** Broadcasting consumers share nothing, so among themselves they may differ. */
function sharesFairly(a: ConsumerRegistration, b: ConsumerRegistration): boolean {
  return (a.messageModel === 'broadcasting' && b.messageModel === 'broadcasting') || sameRegistration(a, b)
}
