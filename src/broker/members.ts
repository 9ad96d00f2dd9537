/**
 * Who is online: the consumers and producers of each group, in memory only. Clients live in this process, so they come
 * and go by word, not by heartbeat, and the others hear of it in the same turn.
 */
import type { ConsumerRegistration } from '../model/engine.ts'
import type { Announcer } from './announcer.ts'
import { mismatchOf, sameRegistration } from './mismatch.ts'

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
    this.#warnOfMixing(consumers, registration)
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

  /** The same without simple consumers, which own no queues. */
  queueSharerIds(group: string): readonly string[] {
    const consumers = this.#consumers.get(group)
    return this.consumerIds(group).filter((clientId) => consumers?.get(clientId)?.consumeType !== 'pop')
  }

  /** The consumers of a group as they registered, in the order that allocation needs. */
  registrations(group: string): readonly ConsumerRegistration[] {
    return this.consumerIds(group).map((id) => this.#consumers.get(group)!.get(id)!)
  }

  /** Whether any consumer that shares the group's queues subscribes to the topic now. */
  subscribes(group: string, topic: string): boolean {
    const consumers = [...(this.#consumers.get(group)?.values() ?? [])]
    return consumers.some(
      ({ messageModel, subscriptions }) => messageModel === 'clustering' && subscriptions.has(topic),
    )
  }

  /** A broadcasting consumer of the group. */
  broadcaster(group: string, clientId: string): ConsumerRegistration | undefined {
    const registration = this.#consumers.get(group)?.get(clientId)
    return registration?.messageModel === 'broadcasting' ? registration : undefined
  }

  /** Whether any consumer of the group is broadcasting. */
  hasBroadcasters(group: string): boolean {
    const consumers = [...(this.#consumers.get(group)?.values() ?? [])]
    return consumers.some(({ messageModel }) => messageModel === 'broadcasting')
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

  /** Who owns a queue and who receives from it without owning it move the same offset. */
  #warnOfMixing(
    consumers: Consumers,
    { group, clientId, consumeType, messageModel }: ConsumerRegistration,
  ): void {
    if (messageModel === 'broadcasting') return
    const others = [...consumers.values()].filter((each) => each.messageModel === 'clustering')
    const other = others.find((each) => (each.consumeType === 'pop') !== (consumeType === 'pop'))
    if (other === undefined) return
    const message =
      `The consumers '${clientId}' and '${other.clientId}' of the group '${group}' consume in different ways, one of ` +
      'them as a simple consumer; some messages will reach both. Give simple consumers a group of their own.'
    this.#announcer.emit('warning', { code: 'MIXED_CONSUMPTION', message })
  }

  /** Others are asked in the order they came, and one difference is told at a time. */
  #warnOfMismatch(consumers: Consumers, registration: ConsumerRegistration): void {
    const { group, clientId } = registration
    for (const other of consumers.values()) {
      const difference = mismatchOf(registration, other)
      if (difference === undefined) continue
      const message =
        `Consumer '${clientId}' of the group '${group}' registers ${difference} than '${other.clientId}'; ` +
        'all members of a group must agree in message model, mode, strategy, and topics with their expressions.'
      this.#announcer.emit('warning', { code: 'SUBSCRIPTION_MISMATCH', message })
      return
    }
  }
}
