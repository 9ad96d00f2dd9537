/** The suite is worth what it catches: each of these engines is wrong in one way, and a rule that is named says so. */
import { describe, expect, test } from 'vitest'
import type { Engine, SendRequest } from '../../src/model/engine.ts'
import type { MessageView } from '../../src/model/message.ts'
import { formatMessageId } from '../../src/model/message-id.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { matchAll } from '../../src/model/subscription.ts'
import { conformanceChapters } from '../../src/testing/conformance/chapters.ts'
import { runConformance } from '../../src/testing/conformance/conformance.ts'
import { embeddedEngine } from '../../src/testing/conformance/embedded-engine.ts'
import { overlay } from '../../src/testing/layer.ts'
import { BROKEN_DELAYS } from './broken-delays.ts'
import { BROKEN_GROUPS } from './broken-groups.ts'
import { BROKEN_MEMBERS } from './broken-members.ts'
import { BROKEN_PRIORITIES } from './broken-priorities.ts'
import { BROKEN_RECEIVERS } from './broken-receivers.ts'
import { BROKEN_REQUESTS } from './broken-requests.ts'
import { BROKEN_SENDS } from './broken-sends.ts'
import { BROKEN_TRACES } from './broken-traces.ts'
import { BROKEN_TRANSACTIONS } from './broken-transactions.ts'

/** An engine of which verbs do something else. */
type Breakage = (next: Engine) => Partial<Engine>

/** A message that says something else. */
function altered(message: MessageView, fields: Partial<MessageView>): MessageView {
  return overlay(message, fields)
}

async function sendOneByOne(next: Engine, request: SendRequest) {
  const [first, ...others] = [request.messages].flat()
  const receipt = await next.sendMessage({ ...request, messages: first! })
  for (const messages of others) await next.sendMessage({ ...request, messages })
  return receipt
}

async function acknowledgeEarly(next: Engine, request: SendRequest): Promise<SendReceipt> {
  const { queue, messages } = request
  const messageIds = [messages].flat().map(({ messageId }) => formatMessageId(messageId))
  const receipt = {
    status: 'SEND_OK',
    durability: 'ASYNC_FLUSH',
    messageId: messageIds[0]!,
    offsetMessageId: '0'.repeat(32),
    messageIds,
    queue,
    queueOffset: await next.maxOffset(queue),
    messageCount: messageIds.length,
    storeTimestamp: next.clock.now(),
  } as const
  next.clock.setTimer(50, () => void next.sendMessage(request))
  return receipt
}

/** What is wrong, the chapter that must notice, and a rule of it that must fail. */
const BROKEN: readonly (readonly [what: string, chapter: string, rule: string, breakage: Breakage])[] = [
  [
    'drops tags',
    'Messages',
    'Body, tag, keys and properties arrive as they were sent',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        return { ...result, messages: result.messages.map((message) => altered(message, { tag: undefined })) }
      },
    }),
  ],
  [
    'ignores filters',
    'Tag filters',
    'A tag lets pass what has exactly this tag',
    (next) => ({ pullMessage: (request) => next.pullMessage({ ...request, filter: matchAll }) }),
  ],
  [
    'compares tags by their hash codes only',
    'Tag filters',
    'Tags with equal hash codes are told apart, and the other is passed over',
    (next) => ({
      pullMessage: ({ filter, ...request }) => {
        if (filter.type === 'SQL92') return next.pullMessage({ ...request, filter })
        const tags = new Set(filter.tags.has('Aa') ? [...filter.tags, 'BB'] : filter.tags)
        return next.pullMessage({ ...request, filter: { ...filter, tags } })
      },
    }),
  ],
  [
    'commits offsets when messages are fetched',
    'Push consumption',
    'The committed offset is the lowest that is not finished',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        await next.updateConsumerOffset(request.group, request.queue, result.nextBeginOffset)
        return result
      },
    }),
  ],
  [
    'lets offsets go back',
    'Offsets of groups',
    'A lower offset is ignored',
    (next) => ({
      updateConsumerOffset: (group, queue, offset) =>
        next.resetConsumerOffset(group, queue.topic, new Map([[queue.queueId, offset]])),
    }),
  ],
  [
    'begins its retries a level too late',
    'Retries',
    'Retry 1 comes 10s after the failure before it',
    (next) => ({
      sendMessageBack: (request) => {
        const delayLevel = request.delayLevel === 0 ? request.message.reconsumeTimes + 4 : request.delayLevel
        return next.sendMessageBack({ ...request, delayLevel })
      },
    }),
  ],
  [
    'gives up after 15 retries',
    'Retries',
    'Retry 16 comes 2h after the failure before it',
    (next) => ({
      sendMessageBack: (request) =>
        next.sendMessageBack({ ...request, maxReconsumeTimes: Math.min(15, request.maxReconsumeTimes) }),
    }),
  ],
  [
    'drops messages instead of making dead letters',
    'Dead letters',
    'After 17 failures a message is a dead letter, and not delivered again',
    (next) => ({
      sendMessageBack: async (request) => {
        const { reconsumeTimes } = request.message
        if (reconsumeTimes < request.maxReconsumeTimes) return next.sendMessageBack(request)
        return { outcome: 'dead-letter', reconsumeTimes: reconsumeTimes + 1 }
      },
    }),
  ],
  [
    'leaves gaps between offsets',
    'Offsets and store times',
    'The offsets of a queue begin at 0 and have no gap',
    (next) => ({
      viewMessage: async (queue, offset) => {
        const message = await next.viewMessage(queue, offset)
        return altered(message, { queueOffset: message.queueOffset * 2 })
      },
    }),
  ],
  [
    'stores batches one message at a time',
    'Sizes and batches',
    'Nothing gets between the messages of a batch',
    (next) => ({ sendMessage: (request) => sendOneByOne(next, request) }),
  ],
  [
    'stores batches one message at a time, which a kill shows',
    'Durability',
    'A batch that was under way at a kill is there as a whole or not at all',
    (next) => ({ sendMessage: (request) => sendOneByOne(next, request) }),
  ],
  [
    'acknowledges before it stores',
    'Sending',
    'A message can be read as soon as its send resolves',
    (next) => ({ sendMessage: (request) => acknowledgeEarly(next, request) }),
  ],
  [
    'goes to 0 from behind the end, as RocketMQ did until 4.5.2',
    'Pulling',
    'From behind the end: OFFSET_ILLEGAL, and next is the end',
    (next) => ({
      pullMessage: async (request) => {
        const result = await next.pullMessage(request)
        return result.status === 'OFFSET_ILLEGAL' ? { ...result, nextBeginOffset: 0 } : result
      },
    }),
  ],
  [
    'finds the upper boundary of a time',
    'Offsets and store times',
    'The time of several messages is at the first of them',
    (next) => ({
      searchOffset: async (queue, timestamp) => {
        const found = await next.searchOffset(queue, timestamp + 1)
        return Math.max(await next.minOffset(queue), found - 1)
      },
    }),
  ],
  [
    'gives leases to everybody',
    'Allocation and rebalance',
    'One client of a group at a time holds the lease on a queue',
    () => ({ lockQueues: async (_group, _clientId, queues) => queues }),
  ],
  [
    'gives leases to everybody, which a hand-over shows',
    'Allocation and rebalance',
    'A hand-over repeats nothing, also when listeners are busy',
    () => ({ lockQueues: async (_group, _clientId, queues) => queues }),
  ],
  [
    'sorts members by number',
    'Allocation and rebalance',
    'Members are sorted by their ids as text, whenever they came',
    (next) => ({
      queryConsumerIds: async (group) =>
        [...(await next.queryConsumerIds(group))].sort((a, b) => a.length - b.length || (a < b ? -1 : 1)),
    }),
  ],
  [
    'forgets the offsets of groups',
    'Durability',
    'A group goes on where it was, and repeats nothing',
    () => ({ updateConsumerOffset: async () => undefined }),
  ],
  [
    'finds keys by their beginning',
    'Queries',
    'A key is compared whole',
    (next) => ({
      queryMessagesByKey: async (query) => {
        const found = await next.queryMessagesByKey(query)
        const longer = await next.queryMessagesByKey({ ...query, key: `${query.key}0` })
        return [...found, ...longer]
      },
    }),
  ],
]

describe('The conformance suite catches an engine that', () => {
  test.each([
    ...BROKEN,
    ...BROKEN_DELAYS,
    ...BROKEN_GROUPS,
    ...BROKEN_MEMBERS,
    ...BROKEN_PRIORITIES,
    ...BROKEN_RECEIVERS,
    ...BROKEN_REQUESTS,
    ...BROKEN_SENDS,
    ...BROKEN_TRACES,
    ...BROKEN_TRANSACTIONS,
  ])('%s', async (_what, title, rule, breakage) => {
    const chapters = conformanceChapters.filter((chapter) => chapter.title === title)
    const openEngine = embeddedEngine({
      store: 'memory-disk',
      wrap: (engine) => overlay(engine, breakage(engine)),
    })
    const report = await runConformance(openEngine, { chapters, patienceMs: 20, ruleTimeoutMs: 2000 })
    const failed = report.chapters.flatMap(({ failures }) => failures.map((failure) => failure.rule.title))
    expect(failed).toContain(rule)
  })
})
