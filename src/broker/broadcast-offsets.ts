/**
 * How far each broadcasting member is. One that comes back under its name has its offsets stored, as a group has, under a
 * name made of both (`offset-owner.ts`); what another one consumes is remembered as long as it is online.
 * RocketMQ's clients keep such offsets in files of their own.
 */
import { offsetOwnerOf, parseOffsetOwner } from '../model/offset-owner.ts'
import type { GroupConfig } from '../model/topic.ts'
import { defaultGroupConfig } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'

/** Offsets by queue uid. */
type Offsets = Map<number, number>

export class BroadcastOffsets {
  readonly #store: Store
  /** Of members without a name, by owner. */
  readonly #passing = new Map<string, Offsets>()

  constructor(store: Store) {
    this.#store = store
  }

  /** What has to be stored before a named member joins; `undefined` when it is known already. */
  ownerToStore(group: string, clientId: string): GroupConfig | undefined {
    return this.entry(group, clientId) === undefined
      ? defaultGroupConfig(offsetOwnerOf(group, clientId))
      : undefined
  }

  /** The stored owner of a named member's offsets. */
  entry(group: string, clientId: string): GroupEntry | undefined {
    return this.#store.catalog.group(offsetOwnerOf(group, clientId))
  }

  /** The stored owners of a group's members, online or not. */
  entries(group: string): GroupEntry[] {
    const all = [...this.#store.catalog.groups()]
    return all.filter(({ config }) => {
      const owner = parseOffsetOwner(config.group)
      return owner.group === group && owner.clientId !== undefined
    })
  }

  /** A member without a name came. */
  begin(group: string, clientId: string): void {
    const owner = offsetOwnerOf(group, clientId)
    if (!this.#passing.has(owner)) this.#passing.set(owner, new Map())
  }

  /** It went, and its offsets with it. */
  end(group: string, clientId: string): void {
    this.#passing.delete(offsetOwnerOf(group, clientId))
  }

  /** The offsets of a member without a name that is online. */
  passing(group: string, clientId: string): Offsets | undefined {
    return this.#passing.get(offsetOwnerOf(group, clientId))
  }

  /** The offsets of all members of a group that have no name and are online. */
  allPassing(group: string): Offsets[] {
    return [...this.#passing]
      .filter(([owner]) => parseOffsetOwner(owner).group === group)
      .map(([, all]) => all)
  }

  /** Client ids of the members of which something is known. */
  clientIds(group: string): string[] {
    const owners = [...this.entries(group).map(({ config }) => config.group), ...this.#passing.keys()]
    const ids = owners.map(parseOffsetOwner).filter((owner) => owner.group === group)
    return ids.map(({ clientId = '' }) => clientId).sort()
  }

  offset(group: string, clientId: string, log: QueueLog): number | undefined {
    const entry = this.entry(group, clientId)
    return entry === undefined
      ? this.passing(group, clientId)?.get(log.uid)
      : this.#store.offsets.get(entry, log)
  }
}
