// Packs the built package, installs the tarball into an empty project and uses it from there: as an ES module,
// through require() and as types. Run `npm run build` first.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const PROGRAM_TIMEOUT_MS = 30_000

/** What each program does once it has the package's `PocketMQ`. */
const ROUND_TRIP = `
async function roundTrip(PocketMQ) {
  const mq = await PocketMQ.open({ storage: 'memory' })
  const arrived = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the message did not arrive within 15 s')), 15_000)
    const listener = async (message) => {
      clearTimeout(timer)
      resolve(message)
    }
    mq.createPushConsumer({ group: 'c', subscriptions: { t: '*' }, listener }).catch(reject)
  })
  const producer = await mq.createProducer({ group: 'g' })
  await producer.send({ topic: 't', body: Buffer.from('hello') })
  const message = await arrived
  const body = Buffer.from(message.body).toString()
  if (body !== 'hello') throw new Error('the message arrived with another body: ' + body)
  await mq.close()
}
`

const MODULE_PROGRAM = `import { PocketMQ } from 'pocketmq'
import { instrument } from 'pocketmq/opentelemetry'
import { createTestMQ } from 'pocketmq/testing'
${ROUND_TRIP}
await roundTrip(PocketMQ)
const mq = await createTestMQ()
await mq.clock.advance('2h')
try {
  instrument(mq, {})
} catch (error) {
  if (error.code !== 'INVALID_PARAMETER' || !error.message.includes("'trace'")) throw error
}
await mq.close()
console.log('arrived')
`

const REQUIRE_PROGRAM = `'use strict'
const { PocketMQ } = require('pocketmq')
${ROUND_TRIP}
roundTrip(PocketMQ).then(() => console.log('arrived'))
`

const TYPES_PROGRAM = `import { MQError, PocketMQ } from 'pocketmq'
import { instrument, type TelemetryApi } from 'pocketmq/opentelemetry'
import { createTestMQ, expectMQ } from 'pocketmq/testing'

export const start = (api: TelemetryApi): (() => void) => instrument(test, api)
const test = await createTestMQ({ seed: 7 })
expectMQ(test).not.sent({ topic: 't' })
// @ts-expect-error time cannot be moved by a boolean
await test.clock.advance(true)

const mq: PocketMQ = await PocketMQ.open({ storage: 'memory' })
const producer = await mq.createProducer({ group: 'g' })
await producer.send({ topic: 't', body: Buffer.from('hello') })
await mq.createPushConsumer({
  group: 'c',
  subscriptions: { t: '*' },
  listener: async (message) => {
    const topic: string = message.topic
    console.log(topic)
  },
})
export const code: string = new MQError('CLOSED', 'closed').code
// @ts-expect-error the types must refuse what does not exist: a package typed as any would accept it
await mq.noSuchMethod()
await mq.close()
`

const TYPES_CONFIG = {
  compilerOptions: {
    target: 'es2022',
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  },
  files: ['types.mts'],
}

function run(command, args, cwd, timeout) {
  const result = spawnSync(command, args, {
    cwd,
    timeout,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  if (result.error) throw new Error(`${command} ${args.join(' ')}: ${result.error.message}\n${result.stderr}`)
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.status}\n${result.stdout}${result.stderr}`,
    )
  }
  return result.stdout
}

async function lint() {
  const { messages } = await publint({ pkgDir: root, strict: true })
  if (messages.length > 0) throw new Error(messages.map((m) => formatMessage(m, packageJson)).join('\n'))
}

function pack(project) {
  const packed = JSON.parse(run(npm, ['pack', '--json', '--pack-destination', project], root))
  const [{ filename, files }] = Array.isArray(packed) ? packed : Object.values(packed)
  const paths = files.map((file) => file.path)
  for (const needed of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/bin.js',
    'docs/errors.md',
    'examples/hello.ts',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]) {
    if (!paths.includes(needed)) throw new Error(`${needed} is not in the tarball`)
  }
  const stray = paths.filter(
    (path) =>
      !/^(dist\/|docs\/|examples\/|ARCHITECTURE\.md$|README\.md$|LICENSE$|CHANGELOG\.md$|package\.json$)/.test(
        path,
      ),
  )
  if (stray.length > 0) throw new Error(`the tarball has files it should not have: ${stray.join(', ')}`)
  return join(project, filename)
}

function install(project, tarball) {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  run(npm, ['install', tarball, '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], project)
}

function useFrom(project, file, program) {
  writeFileSync(join(project, file), program)
  const output = run(process.execPath, [file], project, PROGRAM_TIMEOUT_MS)
  if (!output.includes('arrived')) throw new Error(`${file} ended before its message arrived`)
}

function checkTypes(project) {
  writeFileSync(join(project, 'types.mts'), TYPES_PROGRAM)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(TYPES_CONFIG))
  mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
  for (const name of ['@types/node', 'undici-types']) {
    cpSync(join(root, 'node_modules', name), join(project, 'node_modules', name), { recursive: true })
  }
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], project)
}

async function main() {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('there is no dist; run `npm run build` first')
  const project = mkdtempSync(join(tmpdir(), 'pocketmq-package-'))
  let tarball = ''
  const steps = [
    ['publint finds nothing', lint],
    ['the tarball has what it should', () => (tarball = pack(project))],
    ['it installs into an empty project', () => install(project, tarball)],
    ['import: a message arrives', () => useFrom(project, 'use.mjs', MODULE_PROGRAM)],
    ['require: a message arrives', () => useFrom(project, 'use.cjs', REQUIRE_PROGRAM)],
    ['its types serve a nodenext project', () => checkTypes(project)],
  ]
  try {
    for (const [name, step] of steps) {
      try {
        await step()
      } catch (error) {
        console.error(`package check FAILED: ${name}\n${error.message}`)
        process.exitCode = 1
        return
      }
      console.log(`package check ok: ${name}`)
    }
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

await main()
