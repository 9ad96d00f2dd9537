/** Opening a store, step by step; the numbers are those of docs/recovery.md. */

import type { RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'
import { invalidParameter } from '../model/errors.ts'
import { emptyAppliedState } from './applied-state.ts'
import { Databases } from './databases.ts'
import { DiskMedium } from './disk-medium.ts'
import { Journal } from './journal.ts'
import { segmentName } from './journal-format.ts'
import { listSegments } from './journal-reader.ts'
import { FORMAT_VERSION, type Marker, readMarker, writeMarker } from './marker.ts'
import type { Files, Medium } from './medium.ts'
import { memoryMedium } from './memory-medium.ts'
import { type Recovered, recover } from './recovery.ts'
import { storeErrorFrom } from './store-error.ts'
import type { StoreOptions } from './store-options.ts'

const STORE_ID_DIGITS = 16

/** A store with everything in its place, not yet at work. */
export interface OpenedStore {
  readonly medium: Medium
  readonly databases: Databases
  readonly journal: Journal | undefined
  readonly marker: Marker | undefined
  readonly recovered: Recovered
}

/** Opens what `options` name. What is refused is left untouched and unclaimed. */
export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  try {
    const medium = options.medium ?? (await mediumFor(options))
    // 1. Look before touching: foreign, damaged or newer directories are refused here.
    await look(medium, options)
    // 2. Claim the place.
    await medium.claim()
    return await openClaimed(medium, options)
  } catch (error) {
    throw storeErrorFrom(error)
  }
}

async function look({ files }: Medium, options: StoreOptions): Promise<void> {
  if (files === undefined) return
  const marker = await readMarker(files)
  if (marker === undefined && options.createIfMissing === false) {
    throw invalidParameter(`There is no store in '${options.path}'.`)
  }
}

async function openClaimed(medium: Medium, options: StoreOptions): Promise<OpenedStore> {
  const databases = new Databases(medium)
  const { files } = medium
  try {
    return files === undefined
      ? await openMemory(medium, databases)
      : await openDisk(medium, files, databases, options)
  } catch (error) {
    await databases.close().catch(() => undefined)
    await medium.release().catch(() => undefined)
    throw error
  }
}

async function mediumFor(options: StoreOptions): Promise<Medium> {
  return options.storage === 'memory'
    ? memoryMedium()
    : DiskMedium.at(options.path ?? '', options.clock, options.createIfMissing !== false)
}

async function openMemory(medium: Medium, databases: Databases): Promise<OpenedStore> {
  await databases.open(true)
  return { medium, databases, journal: undefined, marker: undefined, recovered: nothingRecovered() }
}

async function openDisk(
  medium: Medium,
  files: Files,
  databases: Databases,
  options: StoreOptions,
): Promise<OpenedStore> {
  // 3. Read the marker again, now that nobody else can change it.
  const marker = await readMarker(files)
  if (marker === undefined || marker.state === 'creating') return create(medium, files, databases, options)
  await databases.open(false)
  const recovered = await recover(files, databases, marker)
  return begin(medium, files, databases, marker, recovered)
}

/** Nothing is acknowledged before the marker says `open`, so whatever an earlier attempt left may go. */
async function create(
  medium: Medium,
  files: Files,
  databases: Databases,
  options: StoreOptions,
): Promise<OpenedStore> {
  const marker: Marker = {
    format: FORMAT_VERSION,
    storeId: randomStoreId(options.random),
    createdTimestamp: options.clock.now(),
    state: 'creating',
    lastSeq: 0,
    firstSegment: 1,
  }
  await writeMarker(files, marker)
  await files.prepare()
  await databases.open(true)
  return begin(medium, files, databases, marker, nothingRecovered())
}

/** 9. Begin a new segment; 10. say that the store is in use; 11. remove the old segments. */
async function begin(
  medium: Medium,
  files: Files,
  databases: Databases,
  before: Marker,
  recovered: Recovered,
): Promise<OpenedStore> {
  const marker: Marker = { ...before, state: 'open', firstSegment: recovered.nextSegment }
  const journal = await Journal.open(files, {
    storeId: BigInt(`0x${marker.storeId}`),
    segmentNumber: recovered.nextSegment,
    previousSeq: recovered.lastSeq,
    firstSeq: recovered.nextSeq,
  })
  await writeMarker(files, marker)
  for (const number of recovered.oldSegments) await files.remove(segmentName(number))
  return { medium, databases, journal, marker, recovered }
}

/** Says that everything is in the databases, flushed, up to `lastSeq`; then the journal may go. */
export async function markClean(files: Files, marker: Marker, lastSeq: number): Promise<void> {
  await writeMarker(files, { ...marker, state: 'clean', lastSeq })
  for (const number of await listSegments(files)) await files.remove(segmentName(number))
}

function nothingRecovered(): Recovered {
  return {
    state: emptyAppliedState(),
    report: { clean: true, replayedFrameCount: 0, tornBytes: 0, warnings: [] },
    nextSeq: 1,
    lastSeq: 0,
    nextSegment: 1,
    oldSegments: [],
  }
}

function randomStoreId(random: RandomSource): string {
  return Array.from({ length: STORE_ID_DIGITS }, () => randomBelow(random, 16).toString(16)).join('')
}
