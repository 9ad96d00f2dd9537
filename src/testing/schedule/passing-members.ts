/**
 * Members join a group and leave it soon after, so that queues change hands: those that are busy first finish what they
 * have begun and acknowledge it.
 */
import type { ConsumerRegistration, Engine, PullRequest } from '../../model/engine.ts'
import type { PullResult } from '../../model/results.ts'
import type { TestLayer } from '../layer.ts'
import type { ScheduleDice } from './dice.ts'

const VISIT_SHARE = 1 / 8
const LONGEST_TURNS = 12
/** One sorts before the names of real members and one behind, which moves different queues. */
const NAMES = ['!passing-member', '~passing-member'] as const

export function passingMembers(dice: ScheduleDice): TestLayer {
  return { engine: (next) => new PassingMembers(dice, next).verbs() }
}

class PassingMembers {
  readonly #dice: ScheduleDice
  readonly #next: Engine
  /** Real members, by group and client id. */
  readonly #members = new Map<string, Map<string, ConsumerRegistration>>()
  /** Groups with a guest, who leaves by himself. */
  readonly #visits = new Map<string, Promise<void>>()

  constructor(dice: ScheduleDice, next: Engine) {
    this.#dice = dice
    this.#next = next
  }

  verbs(): Partial<Engine> {
    return {
      registerConsumer: (registration) => this.#register(registration),
      unregisterConsumer: (group, clientId) => this.#unregister(group, clientId),
      pullMessage: (request) => this.#pull(request),
    }
  }

  async #register(registration: ConsumerRegistration): Promise<void> {
    const { group, clientId, messageModel } = registration
    await this.#next.registerConsumer(registration)
    if (messageModel === 'broadcasting') return
    const members = this.#members.get(group) ?? new Map<string, ConsumerRegistration>()
    this.#members.set(group, members.set(clientId, registration))
  }

  /** No guest outlives the last member. */
  async #unregister(group: string, clientId: string): Promise<void> {
    this.#members.get(group)?.delete(clientId)
    await this.#visits.get(group)
    await this.#next.unregisterConsumer(group, clientId)
  }

  async #pull(request: PullRequest): Promise<PullResult> {
    const result = await this.#next.pullMessage(request)
    if (result.status === 'FOUND' && this.#dice.chance(VISIT_SHARE)) this.#invite(request.group)
    return result
  }

  #invite(group: string): void {
    const [member] = this.#members.get(group)?.values() ?? []
    if (member === undefined || this.#visits.has(group)) return
    const visit = this.#visit(member)
      // The instance crashed meanwhile.
      .catch(() => undefined)
      .finally(() => this.#visits.delete(group))
    this.#visits.set(group, visit)
  }

  async #visit(member: ConsumerRegistration): Promise<void> {
    const { group } = member
    const clientId = NAMES[this.#dice.chance(0.5) ? 0 : 1]
    this.#dice.note(`${group}: a member joined and left, so that queues changed hands`)
    await this.#next.registerConsumer({ ...member, clientId })
    await this.#dice.pause(LONGEST_TURNS)
    await this.#next.unregisterConsumer(group, clientId)
  }
}
