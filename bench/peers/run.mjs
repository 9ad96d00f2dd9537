// `npm run bench` in this folder: PocketMQ and each peer do the same work in the same run. README.md tells how.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as betterSqlite3 from './better-sqlite3.mjs'
import * as bullmq from './bullmq.mjs'
import * as jetstream from './jetstream.mjs'
import * as plainjob from './plainjob.mjs'
import * as pocketmq from './pocketmq.mjs'

const PEERS = [betterSqlite3, plainjob, bullmq, jetstream]
const ROUNDS = { quick: 1, full: 3 }

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})
const wanted = options.only?.split(',')
const figures = []
for (const peer of PEERS) {
  if (wanted && !wanted.includes(peer.name)) continue
  const reason = await peer.missing()
  if (reason === undefined) for (const work of peer.works) await measure(peer, work)
  else console.log(`${peer.name}: skipped, ${reason}`)
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`)

/** Interleaved rounds after one that only warms up; prints and keeps the figure. */
async function measure(peer, { name, like, count, goal, run }) {
  const rounds = options.quick ? ROUNDS.quick : ROUNDS.full
  const ours = []
  const theirs = []
  for (let round = 0; round <= rounds; round++) {
    const ourRate = await pocketmq.works[like](options.quick ? 20_000 : Math.max(count, 300_000))
    const theirRate = await run(options.quick ? 2_000 : count)
    if (round === 0) continue
    ours.push(ourRate)
    theirs.push(theirRate)
  }
  const value = median(ours)
  const baseline = median(theirs)
  const ratio = value / baseline
  const met = goal === undefined ? null : ratio >= goal
  const text = goal === undefined ? null : `ratio >= ${goal}`
  figures.push({ name: `${peer.name}/${name}`, value, unit: 'msg/s', baseline, ratio, goal: text, met })
  const cells = [
    `${peer.name}/${name}`.padEnd(36),
    format(baseline).padStart(9),
    `PocketMQ ${like}`.padEnd(24),
  ]
  const verdict = met === null ? '' : met ? `(${text}: met)` : `(${text}: MISSED)`
  console.log([...cells, format(value).padStart(9), `x ${ratio.toFixed(1)}`, verdict].join('  ').trimEnd())
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function format(rate) {
  return Math.round(rate).toLocaleString('en')
}
