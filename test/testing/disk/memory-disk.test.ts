import { describe, expect, test } from 'vitest'
import { MemoryDisk } from '../../../src/testing/disk/memory-disk.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'

const NAME = 'journal/1'

async function write(disk: MemoryDisk, ...texts: string[]) {
  const file = await disk.files.createJournalFile(NAME)
  let position = 0
  for (const text of texts) position += file.writeSync([Buffer.from(text)], position)
  return { file, position }
}

async function read(disk: MemoryDisk): Promise<string> {
  return (await disk.files.read(NAME)).toString()
}

describe('A disk in memory', () => {
  test('keeps after a kill what was written, after a power cut what was flushed', async () => {
    const disk = new MemoryDisk(new ManualClock())
    const { file, position } = await write(disk, 'flushed,')
    await file.datasync()
    file.writeSync([Buffer.from('not '), Buffer.from('flushed')], position)
    expect(await read(disk.copy('kill'))).toBe('flushed,not flushed')
    expect(await read(disk.copy('power'))).toBe('flushed,')
    expect(await read(disk.copy('kill').copy('power'))).toBe('flushed,')
  })

  test('flushes what was written before the flush began', async () => {
    const clock = new ManualClock()
    const disk = new MemoryDisk(clock)
    const { file, position } = await write(disk, 'before,')
    disk.faults.delayMs = 10
    const flushing = file.datasync()
    file.writeSync([Buffer.from('after')], position)
    await clock.advance(10)
    await flushing
    expect(await read(disk.copy('power').copy('kill')).catch(() => 'slow')).toBe('before,')
  })

  test('keeps of a database what lies before its last barrier', async () => {
    const disk = new MemoryDisk(new ManualClock())
    const database = await disk.openDatabase('index', true)
    await database.level.put(Buffer.from('a'), Buffer.from('1'))
    await database.barrier()
    await database.level.put(Buffer.from('b'), Buffer.from('2'))
    const keysAfter = async (how: 'kill' | 'power') => {
      const left = await disk.copy(how).openDatabase('index', false)
      return (await left.level.keys().all()).map(String)
    }
    expect([await keysAfter('kill'), await keysAfter('power')]).toEqual([['a', 'b'], ['a']])
  })

  test('is not changed by what happens to its copies', async () => {
    const disk = new MemoryDisk(new ManualClock())
    await write(disk, 'one')
    const copy = disk.copy('kill')
    await copy.files.remove(NAME)
    await disk.files.truncate(NAME, 2)
    expect(await read(disk)).toBe('on')
    expect(await copy.files.list('journal')).toEqual([])
  })

  test('refuses to write when it is full', async () => {
    const disk = new MemoryDisk(new ManualClock())
    const { file, position } = await write(disk, 'x')
    disk.faults.isFull = true
    expect(() => file.writeSync([Buffer.from('y')], position)).toThrow('ENOSPC')
    await expect(disk.files.createJournalFile('journal/2')).rejects.toThrow('ENOSPC')
    expect(await disk.files.freeBytes()).toBe(0)
    disk.faults.isFull = false
    file.writeSync([Buffer.from('y')], position)
    expect(await read(disk)).toBe('xy')
  })

  test('takes the time that it is told', async () => {
    const clock = new ManualClock()
    const disk = new MemoryDisk(clock)
    disk.faults.delayMs = 250
    let isDone = false
    void disk.files.replace('STORE.json', '{}').then(() => {
      isDone = true
    })
    await clock.advance(249)
    expect(isDone).toBe(false)
    await clock.advance(1)
    expect(isDone).toBe(true)
  })

  test('never answers when it was stopped', async () => {
    const clock = new ManualClock()
    const disk = new MemoryDisk(clock)
    disk.stop()
    let hasAnswered = false
    disk.files.list('.').finally(() => {
      hasAnswered = true
    })
    await clock.advance(60_000)
    expect(hasAnswered).toBe(false)
  })
})
