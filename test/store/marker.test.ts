import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mqError } from '../helpers/expect-error.ts'
import { openStore, temporaryDirectory } from './set-up.ts'

/** A store that was closed, and the path of its marker. */
async function closedStore(): Promise<{ path: string; marker: string }> {
  const path = await temporaryDirectory()
  const shop = await openStore({ storage: 'disk', path })
  await shop.createTopic()
  await shop.send('a')
  await shop.store.close()
  return { path, marker: join(path, 'STORE.json') }
}

async function changeMarker(marker: string, change: (content: string) => string): Promise<void> {
  await writeFile(marker, change(await readFile(marker, 'utf8')))
}

/** Every file with its bytes. */
async function contents(path: string): Promise<Record<string, string>> {
  const names = await readdir(path, { recursive: true })
  const found: Record<string, string> = {}
  for (const name of names.sort()) {
    if ((await stat(join(path, name))).isFile())
      found[name] = (await readFile(join(path, name))).toString('hex')
  }
  return found
}

describe('A directory', () => {
  test('that does not exist is made, private, with everything in it', async () => {
    const path = join(await temporaryDirectory(), 'deep', 'er')
    const shop = await openStore({ storage: 'disk', path })
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect((await readdir(path)).sort()).toEqual(['LEASE', 'STORE.json', 'commitlog', 'index', 'journal'])
    expect((await stat(join(path, 'STORE.json'))).mode & 0o777).toBe(0o600)
    await shop.createTopic()
  })

  test('that holds something else is refused and left untouched', async () => {
    const path = await temporaryDirectory()
    await writeFile(join(path, 'letter.txt'), 'dear')
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(mqError('STORE_FOREIGN', 'letter.txt'))
    expect(await readdir(path)).toEqual(['letter.txt'])
  })

  test('that is a file is refused', async () => {
    const path = join(await temporaryDirectory(), 'file')
    await writeFile(path, 'x')
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(
      mqError('INVALID_PARAMETER', 'not a directory'),
    )
  })

  test('whose creation was cut short is made anew, for nothing was acknowledged', async () => {
    const { path, marker } = await closedStore()
    const content = JSON.parse(await readFile(marker, 'utf8'))
    delete content.checksum
    const unfinished = { ...content, state: 'creating', lastSeq: 0 }
    const { crc32 } = await import('node:zlib')
    await writeFile(
      marker,
      JSON.stringify({ ...unfinished, checksum: crc32(JSON.stringify(unfinished)).toString(16) }),
    )
    await writeFile(join(path, 'journal', '0000000001.journal'), 'torn')
    const shop = await openStore({ storage: 'disk', path })
    expect([...shop.store.catalog.topics()]).toEqual([])
  })
})

describe('A marker', () => {
  test.each([
    [
      'of a newer format',
      (content: string) => content.replace('"format": 1', '"format": 2'),
      'VERSION_NOT_SUPPORTED',
    ],
    [
      'with a changed number',
      (content: string) => content.replace(/"lastSeq": \d/, '"lastSeq": 9'),
      'STORE_CORRUPTED',
    ],
    ['that is no JSON', () => '{', 'STORE_CORRUPTED'],
    ['that is empty', () => '', 'STORE_CORRUPTED'],
    ['that is null', () => 'null', 'STORE_CORRUPTED'],
    ['that is a number', () => '7', 'STORE_CORRUPTED'],
    ['that is a list', () => '[]', 'STORE_CORRUPTED'],
  ] as const)('%s is refused, and nothing is changed', async (_what, change, code) => {
    const { path, marker } = await closedStore()
    await changeMarker(marker, change)
    const before = await contents(path)
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(mqError(code))
    expect(await contents(path)).toEqual(before)
  })

  test('that is missing from a store makes it foreign, and nothing is changed', async () => {
    const { path, marker } = await closedStore()
    const { rm } = await import('node:fs/promises')
    await rm(marker)
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(mqError('STORE_FOREIGN'))
    expect(await readdir(path)).toContain('commitlog')
  })

  test('says open while the store is in use and clean when it was closed', async () => {
    const path = await temporaryDirectory()
    const shop = await openStore({ storage: 'disk', path })
    const state = async () => JSON.parse(await readFile(join(path, 'STORE.json'), 'utf8')).state
    expect(await state()).toBe('open')
    await shop.store.close()
    expect(await state()).toBe('clean')
  })
})

describe('A database', () => {
  test.each(['commitlog', 'index'])('%s that is missing is refused, never made anew', async (name) => {
    const { path } = await closedStore()
    const { rm } = await import('node:fs/promises')
    await rm(join(path, name), { recursive: true })
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(mqError('STORE_CORRUPTED'))
    expect((await readdir(path)).includes('LEASE')).toBe(false)
  })

  test('without CURRENT is refused, never made anew', async () => {
    const { path } = await closedStore()
    const { rm } = await import('node:fs/promises')
    await rm(join(path, 'index', 'CURRENT'))
    await expect(openStore({ storage: 'disk', path })).rejects.toThrow(
      mqError('STORE_CORRUPTED', 'LevelDB cannot open'),
    )
  })
})

test('A path through a link is the same place as the path itself', async () => {
  const base = await temporaryDirectory()
  await mkdir(join(base, 'real'))
  await symlink(join(base, 'real'), join(base, 'link'))
  const shop = await openStore({ storage: 'disk', path: join(base, 'real') })
  await expect(openStore({ storage: 'disk', path: join(base, 'link') })).rejects.toThrow(
    mqError('STORE_LOCKED'),
  )
  await shop.createTopic()
})
