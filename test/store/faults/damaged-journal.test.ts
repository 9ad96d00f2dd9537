/**
 * Every byte of the journal and of `STORE.json` is changed, files are cut and removed: never a wrong body, never fewer
 * messages without a report.
 */
import { describe, expect, test } from 'vitest'
import { decodeFrameHeader, SEGMENT_HEADER_BYTES } from '../../../src/store/journal-format.ts'
import { Store } from '../../../src/store/store.ts'
import { FaultMedium } from '../../helpers/fault-medium.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'
import { examine, Findings } from './damage.ts'
import { type Content, readContent } from './history.ts'
import { faultOptions } from './lives.ts'
import { SmallStoreWriter } from './small-store.ts'

const TIMEOUT_MS = 120_000

interface Damageable {
  /** Stopped; each crash of it makes another copy. */
  readonly medium: FaultMedium
  readonly original: Content
}

/** Killed with a part of the journal applied, all of it, or nothing. */
async function killedStore(applied: 'nothing' | 'part' | 'all'): Promise<Damageable> {
  const clock = new ManualClock()
  const writer = new SmallStoreWriter(clock)
  const medium = new FaultMedium()
  const first = await Store.open(faultOptions(medium, clock, 'ASYNC_FLUSH'))
  await writer.write(first, 4)
  await first.close()
  const store = await Store.open(faultOptions(medium, clock, 'ASYNC_FLUSH'))
  if (applied !== 'nothing') await writer.write(store, 4)
  if (applied === 'all') await clock.advance(2000)
  else await writer.write(store, 1)
  // Reading has the journal applied, so what is read is a copy.
  const copy = await Store.open(faultOptions(medium.crash('kill'), clock, 'ASYNC_FLUSH'))
  const original = await readContent(copy)
  await copy.close()
  return { medium, original }
}

async function closedStore(): Promise<Damageable> {
  const clock = new ManualClock()
  const medium = new FaultMedium()
  const store = await Store.open(faultOptions(medium, clock, 'ASYNC_FLUSH'))
  await new SmallStoreWriter(clock).write(store, 6)
  const original = await readContent(store)
  await store.close()
  return { medium, original }
}

type Damage = (content: Buffer) => Buffer | undefined

async function damageFile({ medium, original }: Damageable, name: string, damage: Damage) {
  const copy = medium.crash('kill')
  copy.replaceFile(name, damage(Buffer.from(copy.contents().get(name) ?? '')))
  return examine(faultOptions(copy, new ManualClock(), 'ASYNC_FLUSH'), original)
}

async function flipEveryByte(store: Damageable, pattern: RegExp): Promise<Findings> {
  const findings = new Findings()
  for (const [name, { length }] of store.medium.contents()) {
    if (!pattern.test(name)) continue
    for (let position = 0; position < length; position++) {
      const flip: Damage = (content) => {
        content[position] = (content[position] ?? 0) ^ (1 << (position % 8))
        return content
      }
      findings.add(await damageFile(store, name, flip), `${name} byte ${position}`)
    }
  }
  return findings
}

/** Cut to every length, the empty one included, and removed. */
async function cutEverywhere(store: Damageable, pattern: RegExp): Promise<Findings> {
  const findings = new Findings()
  for (const [name, whole] of store.medium.contents()) {
    if (!pattern.test(name)) continue
    const ends = frameEnds(whole)
    for (let bytes = 0; bytes < whole.length; bytes++) {
      const finding = await damageFile(store, name, (content) => content.subarray(0, bytes))
      findings.add(finding, `${name} cut to ${bytes}`, ends.has(bytes))
    }
    findings.add(await damageFile(store, name, () => undefined), `${name} removed`)
  }
  return findings
}

/** Where one frame of a segment ends and another may begin. */
function frameEnds(segment: Buffer): ReadonlySet<number> {
  const ends = new Set<number>()
  let position = SEGMENT_HEADER_BYTES
  for (;;) {
    ends.add(position)
    const frame = decodeFrameHeader(segment, position)
    if (frame === undefined) return ends
    position += frame.bytes
  }
}

describe('A changed byte of the journal', () => {
  test.each([
    ['nothing', ['less, told', 'refused STORE_CORRUPTED', 'same, told']],
    ['part', ['less, told', 'refused STORE_CORRUPTED', 'same, told']],
    ['all', ['refused STORE_CORRUPTED', 'same, told']],
  ] as const)(
    'is noticed when %s is applied',
    async (applied, table) => {
      const findings = await flipEveryByte(await killedStore(applied), /journal$/)
      expect(findings.wrong).toEqual([])
      expect(findings.names).toEqual(table)
    },
    TIMEOUT_MS,
  )
})

describe('A journal that is cut or removed', () => {
  test.each([
    ['nothing', ['less', 'less, told', 'refused STORE_CORRUPTED']],
    ['part', ['less', 'less, told', 'refused STORE_CORRUPTED']],
    ['all', ['refused STORE_CORRUPTED']],
  ] as const)(
    'is noticed when %s is applied',
    async (applied, table) => {
      const findings = await cutEverywhere(await killedStore(applied), /journal$/)
      expect(findings.wrong).toEqual([])
      expect(findings.names).toEqual(table)
    },
    TIMEOUT_MS,
  )
})

describe('STORE.json', () => {
  test.each([
    ['closed', closedStore],
    ['killed', () => killedStore('part')],
  ] as const)(
    'of a %s store is refused when it is changed, cut or removed, but for the line end',
    async (_how, make) => {
      const store = await make()
      const flipped = await flipEveryByte(store, /^STORE/)
      const cut = await cutEverywhere(store, /^STORE/)
      expect([...flipped.wrong, ...cut.wrong]).toEqual([])
      expect(flipped.names).toEqual(['refused STORE_CORRUPTED'])
      expect(cut.names).toEqual(['refused STORE_CORRUPTED', 'refused STORE_FOREIGN', 'same'])
    },
    TIMEOUT_MS,
  )
})
