/** A shop asks for prices and waits for the answers; one article nobody knows, and one answer comes too late. */
import { MQError, PocketMQ } from 'pocketmq'

const PRICES: Readonly<Record<string, string>> = { apples: '3 EUR', pears: '4 EUR' }

const mq = await PocketMQ.open({ storage: 'memory' })
const desk = await mq.createLitePullConsumer({
  group: 'price-desk',
  subscriptions: { 'price-requests': '*' },
})
const shop = await mq.createProducer({ group: 'shop' })

/** Answers what it knows; what is asked for `cherries` it is slow to look up. */
async function work(): Promise<void> {
  const slow: (() => Promise<unknown>)[] = []
  for await (const message of desk) {
    const article = message.text()
    if (article === 'cherries') slow.push(() => message.reply('9 EUR'))
    else await message.reply({ body: PRICES[article] ?? 'unknown', properties: { article } })
    if (article === 'the end') break
  }
  for (const answer of slow) console.log('late answer:', await answer())
}
const working = work()

for (const article of ['apples', 'pears', 'plums']) {
  const reply = await shop.request({ topic: 'price-requests', body: article }, { timeoutMs: 3000 })
  console.log(`${reply.properties.article}: ${reply.text()}`)
}
try {
  await shop.request({ topic: 'price-requests', body: 'cherries' }, { timeoutMs: 50 })
} catch (error) {
  if (error instanceof MQError) console.log(`cherries: ${error.code}`)
}
await shop.request({ topic: 'price-requests', body: 'the end' })
await working
console.log(`${shop.stats.droppedReplyCount} answer came too late`)
await mq.close()
