import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AlarmTable } from '../../src/store/alarm-table.ts'
import type { Alarm } from '../../src/store/fact.ts'

function alarm(id: number, dueTimestamp: number, groupUid = 1): Alarm {
  return { id, dueTimestamp, kind: 'retry', groupUid, queueUid: 65_536, queueOffset: id, attempt: 1 }
}

function idsOf(alarms: Iterable<Alarm>): number[] {
  return [...alarms].map(({ id }) => id)
}

describe('The alarm table', () => {
  test('gives what is due in the order of due times, and within one in the order of setting', () => {
    const table = new AlarmTable()
    for (const each of [alarm(1, 30), alarm(2, 10), alarm(3, 20), alarm(4, 10), alarm(5, 40)]) table.set(each)
    expect(table.nextDueTimestamp()).toBe(10)
    expect(idsOf(table.due(30, 10))).toEqual([2, 4, 3, 1])
  })

  test('keeps what is due until it is cleared', () => {
    const table = new AlarmTable()
    table.set(alarm(1, 10))
    table.set(alarm(2, 20))
    expect(idsOf(table.due(20, 10))).toEqual([1, 2])
    expect(idsOf(table.due(20, 10))).toEqual([1, 2])
    table.clear(1)
    expect(idsOf(table.due(20, 10))).toEqual([2])
    expect(table.nextDueTimestamp()).toBe(20)
  })

  test('gives no more than was asked for', () => {
    const table = new AlarmTable()
    for (let id = 1; id <= 5; id++) table.set(alarm(id, id))
    expect(idsOf(table.due(5, 2))).toEqual([1, 2])
    expect(table.due(0, 2)).toEqual([])
  })

  test('counts and lists what waits for a group', () => {
    const table = new AlarmTable()
    table.set(alarm(1, 10, 7))
    table.set(alarm(2, 10, 8))
    table.set(alarm(3, 10, 7))
    expect(table.pendingCount(7)).toBe(2)
    expect(idsOf(table.pending(7))).toEqual([1, 3])
    table.clear(1)
    table.clear(3)
    expect(table.pendingCount(7)).toBe(0)
    expect(table.size).toBe(1)
  })

  test('takes clearing twice, or of something unknown, as nothing', () => {
    const table = new AlarmTable()
    table.set(alarm(1, 10))
    table.clear(1)
    table.clear(1)
    table.clear(99)
    expect(table.size).toBe(0)
    expect(table.pendingCount(1)).toBe(0)
    expect(table.nextDueTimestamp()).toBeUndefined()
  })

  test('tells whoever listens about every change', () => {
    const table = new AlarmTable()
    let changes = 0
    table.onChanged = () => {
      changes += 1
    }
    table.set(alarm(1, 10))
    table.clear(1)
    table.clear(1)
    expect(changes).toBe(2)
  })

  test('behaves as a sorted list, whatever is set and cleared', () => {
    const step = fc.record({ due: fc.nat(20), clear: fc.nat(30), now: fc.nat(20), count: fc.nat(5) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new AlarmTable()
        let model: Alarm[] = []
        steps.forEach(({ due, clear, now, count }, i) => {
          const added = alarm(i, due)
          table.set(added)
          table.clear(clear)
          model = [...model, added].filter(({ id }) => id !== clear)
          model.sort((a, b) => a.dueTimestamp - b.dueTimestamp || a.id - b.id)
          expect(table.due(now, count)).toEqual(
            model.filter((each) => each.dueTimestamp <= now).slice(0, count),
          )
          expect(table.nextDueTimestamp()).toBe(model[0]?.dueTimestamp)
          expect(table.size).toBe(model.length)
        })
      }),
    )
  })
})
