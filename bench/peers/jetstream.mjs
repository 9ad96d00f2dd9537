// NATS JetStream with file storage, on a server that you start with -js: NATS_URL, or 127.0.0.1:4222.
import { AckPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { BODY, expectCount, rateOf, sendAll } from './work.mjs'

export const name = 'jetstream'

const servers = process.env.NATS_URL ?? '127.0.0.1:4222'
const STREAM = 'POCKETMQ_BENCH'
const SUBJECT = 'pocketmq.bench'
const payload = new TextEncoder().encode(BODY)

export async function missing() {
  try {
    const connection = await connect({ servers, reconnect: false, timeout: 1000 })
    await jetstreamManager(connection)
    await connection.close()
    return undefined
  } catch (error) {
    return `no NATS with JetStream at ${servers} (${error.message}); start nats-server -js or set NATS_URL`
  }
}

export const works = [
  {
    name: 'publish, 1000 in flight',
    like: 'send, 1000 in flight',
    count: 100_000,
    run: (count) =>
      withStream(async ({ client, manager }) => {
        const rate = await rateOf(count, () => publishAll(client, count))
        expectCount('JetStream stored', (await manager.streams.info(STREAM)).state.messages, count)
        return rate
      }),
  },
  {
    name: 'consume, explicit acks',
    like: 'consume',
    count: 100_000,
    goal: 6,
    run: (count) =>
      withStream(async ({ client, manager }) => {
        await publishAll(client, count)
        await manager.consumers.add(STREAM, { durable_name: 'bench', ack_policy: AckPolicy.Explicit })
        return rateOf(count, () => consumeAll(client, count))
      }),
  },
]

function publishAll(client, count) {
  return sendAll(count, 1000, () => client.publish(SUBJECT, payload, { timeout: 30_000 }))
}

async function consumeAll(client, count) {
  const consumer = await client.consumers.get(STREAM, 'bench')
  const messages = await consumer.consume({ max_messages: 1000 })
  let received = 0
  for await (const message of messages) {
    message.ack()
    if (++received === count) break
  }
}

async function withStream(work) {
  const connection = await connect({ servers })
  const manager = await jetstreamManager(connection)
  await manager.streams.add({ name: STREAM, subjects: [SUBJECT], storage: StorageType.File })
  try {
    return await work({ client: jetstream(connection), manager })
  } finally {
    await manager.streams.delete(STREAM)
    await connection.close()
  }
}
