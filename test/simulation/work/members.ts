/** Members of groups: they join, leave and pause. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { World } from '../world/world.ts'
import { Listeners } from './listeners.ts'
import { LiteMember } from './lite-member.ts'
import type { Member, MemberHost } from './member.ts'
import { PushMember } from './push-member.ts'
import { Repliers } from './repliers.ts'
import { SimpleMember } from './simple-member.ts'

const MOST_MEMBERS = 4

export class Members {
  readonly #world: World
  readonly #random: WorkloadRandom
  /** For what only other groups than concurrent ones do. */
  readonly #otherRandom: WorkloadRandom
  readonly #listeners: Listeners
  readonly #repliers: Repliers
  readonly #host: MemberHost
  #members: Member[] = []
  /** Members that were asked to join and have not, and those that were asked to close and have not. */
  readonly #joining = new Set<string>()
  readonly #leaving = new Set<string>()
  #isCalm = false

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
    this.#repliers = new Repliers(world)
    this.#listeners = new Listeners(world, this.#repliers)
    this.#otherRandom = world.consumerRandom.fork()
    this.#host = {
      world,
      random: this.#otherRandom,
      listeners: this.#listeners,
      repliers: this.#repliers,
      isCalm: () => this.#isCalm,
      refuses: (group, number) => this.#listeners.refuses(group, number),
      held: [],
      sleepers: new Set(),
    }
  }

  get leaving(): Iterable<string> {
    return this.#leaving
  }

  /** After each opening: most groups come back. */
  begin(): void {
    this.#members = []
    this.#host.sleepers.clear()
    this.#joining.clear()
    this.#leaving.clear()
    for (const group of this.#world.profile.groups) {
      if (!this.#random.chance(0.8)) continue
      this.#join(group)
      if (group.memberNames.length > 0 && this.#otherRandom.chance(0.7)) this.#join(group)
    }
  }

  /** One of the things that happen to groups. */
  act(): void {
    const group = this.#random.pick(this.#world.profile.groups)
    const members = this.#membersOf(group)
    const dice = this.#random.next()
    if (members.length === 0 || (dice < 0.35 && members.length < MOST_MEMBERS)) this.#join(group)
    else if (dice < 0.6) this.#leave(this.#random.pick(members))
    else this.#pauseOrResume(this.#random.pick(members))
  }

  /** From now on every group has its members, all are at work, and all that they consume succeeds. */
  calm(): void {
    this.#isCalm = true
    this.#listeners.calm()
    this.#repliers.calm()
    for (const wake of this.#host.sleepers) wake()
    for (const member of this.#members) if (member.isPaused) this.#pauseOrResume(member)
    for (const group of this.#world.profile.groups) this.#fill(group)
  }

  /** From now on each group refuses some messages, each once. */
  refuseSome(): void {
    this.#listeners.refuseSome()
  }

  #membersOf(group: GroupProfile): Member[] {
    return this.#members.filter((member) => member.group === group)
  }

  /** Sees to it that a group has all its members, or at least one. */
  #fill(group: GroupProfile): void {
    const wantedCount = Math.max(1, group.memberNames.length)
    for (let count = this.#membersOf(group).length; count < wantedCount; count++) this.#join(group)
  }

  #join(group: GroupProfile): void {
    const { life } = this.#world
    const name = this.#nameFor(group)
    if (name === undefined) return
    const member = this.#make(group, name)
    this.#joining.add(name)
    life.tell({ type: 'joining', group: group.name, member: name })
    void member.join().then(
      () => {
        if (life.isOver) return
        this.#joining.delete(name)
        this.#members.push(member)
        life.tell({ type: 'joined', group: group.name, member: name })
        member.begin()
      },
      () => {
        if (!life.isOver) this.#joining.delete(name)
      },
    )
  }

  #make(group: GroupProfile, name: string): Member {
    const { life } = this.#world
    if (group.kind === 'simple') return new SimpleMember(this.#host, life, group, name)
    if (group.kind === 'lite') return new LiteMember(this.#host, life, group, name)
    return new PushMember(this.#host, life, group, name)
  }

  /** A new one, but for broadcasting members: one of theirs that nobody bears now. */
  #nameFor({ memberNames }: GroupProfile): string | undefined {
    if (memberNames.length === 0) return `m${this.#world.nextId()}`
    const borne = new Set([...this.#members.map(({ name }) => name), ...this.#joining, ...this.#leaving])
    return memberNames.find((name) => !borne.has(name))
  }

  #leave(member: Member): void {
    const { life, name } = member
    const { name: group, closeTimeoutMs: timeoutMs } = member.group
    this.#members = this.#members.filter((other) => other !== member)
    this.#leaving.add(name)
    const startedMs = this.#world.clock.monotonicMs()
    life.tell({ type: 'leaving', group, member: name, timeoutMs })
    void member.leave().then(({ drained }) => {
      if (life.isOver) return
      this.#leaving.delete(name)
      const tookMs = this.#world.clock.monotonicMs() - startedMs
      life.tell({ type: 'left', group, member: name, drained, tookMs })
      // Its name may be wanted again.
      if (this.#isCalm) this.#fill(member.group)
    })
  }

  #pauseOrResume(member: Member): void {
    if (member.isPaused) member.resume()
    else member.pause()
    member.isPaused = !member.isPaused
  }
}
