/**
 * 9. Offset monotone: the stored offset of a group or a broadcasting member never falls but by a reset, or because the
 * application of a lite pull consumer chose so, never lies behind the end of its queue, and after a restart is at least what was acknowledged. What a power cut may take is the power-cut checker's affair.
 */
import { nameOf, ownerOf, type SimEvent } from '../events.ts'
import type { FoundOffset } from '../model/model.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class OffsetMonotone implements Checker {
  readonly #host: CheckerHost

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent): void {
    if (event.type !== 'scanned') return
    for (const found of this.#host.model.comparison?.offsets ?? []) this.#check(found)
  }

  #check({ before, found, maxOffset, isUnclear }: FoundOffset): void {
    const { queue, stored } = before
    const where = `${ownerOf(before)} in ${nameOf(queue)}`
    if (found !== undefined && found > maxOffset)
      this.#host.violate(9, `the offset of ${where} is ${found}, behind the end ${maxOffset}`)
    if (isUnclear || stored === undefined || before.resetting.size > 0 || (found ?? -1) >= stored) return
    if (this.#mayBeCut(before.storedMs)) return
    this.#host.violate(9, `the offset of ${where} was ${stored} and is ${found ?? 'nowhere'}`)
  }

  #mayBeCut(storedMs: number): boolean {
    const cutLife = this.#host.model.comparison?.cutLife
    return cutLife !== undefined && storedMs >= cutLife.openedMs
  }
}
