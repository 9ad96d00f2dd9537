import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AlarmTable } from '../../src/store/alarm-table.ts'
import type { Alarm } from '../../src/store/fact.ts'
import { NEVER } from '../../src/store/invisible-run.ts'

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

  test('finds the attempts of a queue, the last that were set for each message, and counts them as nothing that waits', () => {
    const table = new AlarmTable()
    const attempts = (id: number, queueUid = 65_536, queueOffset = 5): Alarm => {
      return { ...alarm(id, NEVER), kind: 'attempts', queueUid, queueOffset, attempt: id }
    }
    const found = (groupUid: number, queueUid: number) =>
      [...table.attempts(groupUid, queueUid)].map(([offset, { id }]) => [offset, id])
    expect(found(1, 65_536)).toEqual([])
    table.set(attempts(1))
    table.set(attempts(2, 65_537))
    table.set(attempts(3))
    table.set(attempts(4, 65_536, 6))
    table.clear(1)
    expect(found(1, 65_536)).toEqual([
      [5, 3],
      [6, 4],
    ])
    expect(found(1, 65_537)).toEqual([[5, 2]])
    expect(found(2, 65_536)).toEqual([])
    expect([table.pendingCount(1), table.nextDueTimestamp()]).toEqual([0, undefined])
    table.clear(3)
    expect(found(1, 65_536)).toEqual([[6, 4]])
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

describe('An alarm that is set again', () => {
  test('takes the place of the one with its number', () => {
    const table = new AlarmTable()
    const run: Alarm = { ...alarm(1, 10), kind: 'pop', attempt: 0b111 }
    table.set(run)
    table.set(alarm(2, 10))
    expect(table.invisibleCount(1)).toBe(3)
    table.set({ ...run, attempt: 0b101 })
    expect(table.due(10, 9)).toEqual([{ ...run, attempt: 0b101 }, alarm(2, 10)])
    expect(table.due(10, 9)).toHaveLength(2)
    expect([table.size, table.invisibleCount(1), table.pendingCount(1)]).toEqual([2, 2, 1])
    table.clear(1)
    expect([table.size, table.invisibleCount(1), table.pendingCount(1)]).toEqual([1, 0, 1])
    expect(table.get(1)).toBeUndefined()
  })
})

describe('Numbers of alarms', () => {
  test('ascend, and go on behind those that were given before', () => {
    const table = new AlarmTable()
    expect([table.takeId(), table.takeId()]).toEqual([1, 2])
    table.reserveIds(10)
    table.reserveIds(5)
    expect(table.nextId).toBe(10)
    expect(table.takeId()).toBe(10)
  })
})

describe('Alarms of FIFO groups', () => {
  function row(id: number, queueOffset: number, dueTimestamp = 10, groupUid = 1): Alarm {
    return { ...alarm(id, dueTimestamp, groupUid), kind: 'pop-orderly', queueOffset, attempt: 1 }
  }

  test('are found by group and queue, and then by offset', () => {
    const table = new AlarmTable()
    for (const each of [row(1, 5), row(2, 6), row(3, 5, 10, 2)]) table.set(each)
    expect([...table.orderly(1, 65_536)]).toEqual([
      [5, row(1, 5)],
      [6, row(2, 6)],
    ])
    expect(table.orderly(1, 65_537).size).toBe(0)
    table.clear(1)
    table.clear(2)
    expect(table.orderly(1, 65_536).size).toBe(0)
    expect(table.orderly(2, 65_536).size).toBe(1)
  })

  test('give way to a newer one of their offset, which stays when they are cleared', () => {
    const table = new AlarmTable()
    table.set(row(1, 5))
    table.set(row(2, 5, 20))
    table.clear(1)
    expect([...table.orderly(1, 65_536).values()]).toEqual([row(2, 5, 20)])
  })

  test('that only remember something are never due', () => {
    const table = new AlarmTable()
    table.set(row(1, 5, NEVER))
    expect(table.nextDueTimestamp()).toBeUndefined()
    expect(table.due(Number.POSITIVE_INFINITY, 9)).toEqual([])
    expect([table.size, table.invisibleCount(1)]).toEqual([1, 0])
    table.set(row(2, 6))
    expect(table.invisibleCount(1)).toBe(1)
    expect(idsOf(table.due(NEVER, 9))).toEqual([2])
  })
})

test('Alarms that come and go in great numbers keep their order, and leave nothing behind', () => {
  const table = new AlarmTable()
  const kept = [alarm(0, 500), alarm(1, 700), { ...alarm(2, 600), dueTimestamp: NEVER }]
  for (const each of kept) table.set(each)
  for (let id = 3; id < 3000; id++) {
    table.set(alarm(id, 1000 - (id % 700)))
    table.clear(id)
    expect(table.nextDueTimestamp()).toBe(500)
  }
  expect(idsOf(table.due(10_000, 9))).toEqual([0, 1])
  expect(table.size).toBe(3)
})
