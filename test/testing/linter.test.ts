import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { Logger } from '../../src/model/logger.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { TestMQ as TestMQClass } from '../../src/testing/test-mq.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'
import { TestSession } from '../../src/testing/test-session.ts'
import { mqError } from '../helpers/expect-error.ts'

const LARGE = new Uint8Array(3 * 1024 ** 2)

async function open(options: TestMQOptions = {}): Promise<TestMQ> {
  const mq = await createTestMQ({
    strict: 'warn',
    topics: [{ topic: 'orders' }, { topic: 'invoices' }],
    ...options,
  })
  // A test that expects close to reject has closed it before.
  onTestFinished(() => mq.close().then(undefined, () => undefined) as Promise<undefined>)
  return mq
}

function join(mq: TestMQ, options: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    clientId: 'a',
    subscriptions: { orders: '*' },
    listener: () => undefined,
    ...options,
  } as PushConsumerOptions)
}

async function send(mq: TestMQ, body: string | Uint8Array = 'hello', topic = 'orders'): Promise<string> {
  const producer = await mq.createProducer({ group: 'shop' })
  const { messageId } = await producer.send({ topic, body })
  await producer.close()
  return messageId
}

/** What a send in a listener does, twice: a finding that nothing can be refused for. */
async function repeatAnEffect(mq: TestMQ): Promise<void> {
  const producer = await mq.createProducer({ group: 'billing' })
  await join(mq, {
    listener: async (message: { deliveryAttempt: number }) => {
      await producer.send({ topic: 'invoices', body: 'an invoice' })
      if (message.deliveryAttempt === 1) throw new Error('no')
    },
  })
  await send(mq)
  await mq.clock.advance('10s')
  await mq.settled()
}

function logTo(lines: string[]): Logger {
  const write = (level: string) => (text: string) => void lines.push(`${level} ${text}`)
  return { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') }
}

describe('The linter', () => {
  test('is off unless it is asked for', async () => {
    const mq = await open({ strict: undefined })
    await send(mq, LARGE)
    expect([mq.lint.findings, mq.lint.notes]).toEqual([[], []])
    expect(mq.lint.summary()).toBe("The linter is off; createTestMQ({ strict: 'warn' }) switches it on.")
  })

  test('reports a subject once, counts, and tells the logger the first time', async () => {
    const lines: string[] = []
    const mq = await open({ logger: logTo(lines) })
    await mq.clock.advance('1m')
    const firstTimestamp = mq.clock.now()
    for (let i = 0; i < 3; i++) {
      await send(mq, LARGE)
      await mq.clock.advance('1m')
    }
    await send(mq, LARGE, 'invoices')
    expect(mq.lint.findings).toMatchObject([
      { code: 'BODY_NEAR_LIMIT', topic: 'orders', count: 3, firstTimestamp, isRefused: false },
      { code: 'BODY_NEAR_LIMIT', topic: 'invoices', count: 1 },
    ])
    expect(lines).toEqual([
      expect.stringMatching(/^warn BODY_NEAR_LIMIT: A body for 'orders' has .* Store the content elsewhere/),
      expect.stringMatching(/^warn BODY_NEAR_LIMIT: A body for 'invoices'/),
    ])
  })

  test('tells notes as such, and lists them apart', async () => {
    const lines: string[] = []
    const mq = await open({ strict: 'throw', logger: logTo(lines) })
    await send(mq, 'hello', 'unknown')
    expect(mq.lint.findings).toEqual([])
    expect(mq.lint.notes).toMatchObject([{ code: 'TOPIC_AUTO_CREATED', topic: 'unknown' }])
    expect(lines).toEqual([expect.stringContaining('info TOPIC_AUTO_CREATED')])
    await expect(mq.close()).resolves.toMatchObject({ drained: true })
  })

  test('remembers over a crash, and begins anew in a fork', async () => {
    const mq = await open()
    await send(mq, LARGE)
    const fork = await mq.fork()
    onTestFinished(async () => void (await fork.close()))
    const next = await mq.crash()
    onTestFinished(async () => void (await next.close()))
    expect(next.lint.findings).toHaveLength(1)
    expect(fork.lint.findings).toEqual([])
    await send(fork, LARGE)
    expect([next.lint.findings.length, fork.lint.findings.length]).toEqual([1, 1])
  })

  test('asks nothing of the engine on the way that faults are put in', async () => {
    const asked = vi.fn()
    const session = TestSession.of({ strict: 'warn' }, [
      {
        engine: (next) => ({
          queryTopics: () => {
            asked()
            return next.queryTopics()
          },
        }),
      },
    ])
    await using mq = await TestMQClass.begin(session)
    await join(mq)
    await send(mq)
    expect(mq.lint.notes).toHaveLength(1)
    expect(asked).not.toHaveBeenCalled()
  })

  test('leaves what is wrong with options to those who refuse it', async () => {
    const mq = await open()
    await expect(join(mq, { concurrency: 0 })).rejects.toEqual(mqError('INVALID_PARAMETER', 'concurrency'))
    await expect(mq.createPushConsumer(undefined as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await expect(mq.createProducer(undefined as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
    expect(mq.lint.findings).toEqual([])
  })

  test('sums up by rule, for the end of a run', async () => {
    const mq = await open()
    await send(mq, LARGE)
    await send(mq, LARGE)
    await send(mq, 'hello', 'unknown')
    await send(mq, LARGE, 'invoices')
    expect(mq.lint.summary()).toMatchInlineSnapshot(`
      "The linter has 2 findings and 1 note.
      BODY_NEAR_LIMIT (risky): A body has 75 % of the limit of 4 MiB, or more.
        - A body for 'orders' has 3145728 of 4194304 bytes. (2 times)
        - A body for 'invoices' has 3145728 of 4194304 bytes.
        Why: maxMessageSize is a setting of every producer and every broker, and may be lower; and a body that is near the limit today is refused with MESSAGE_ILLEGAL when it has grown a little more.
        What to do: Store the content elsewhere and send a reference to it, or split or compress it.
        See: Validators#checkMessage, MessageStoreConfig#maxMessageSize
      TOPIC_AUTO_CREATED (note): A topic was created by its first send.
        - The topic 'unknown' was created by its first send.
        Why: Production clusters switch autoCreateTopicEnable off, and then the send fails with TOPIC_NOT_EXIST. Where it is on, the topic comes to life on the one broker that was sent to.
        What to do: Create the topic on the cluster beforehand; in the test name it in the topics option, or create it with admin.createTopic.
        See: TopicConfigManager#createTopicInSendMessageMethod, BrokerConfig#autoCreateTopicEnable"
    `)
  })
})

describe("strict: 'throw'", () => {
  test('refuses a consumer before it joins, as often as it tries', async () => {
    const mq = await open({ strict: 'throw' })
    await join(mq)
    for (let i = 0; i < 2; i++) {
      await expect(join(mq, { clientId: 'b', subscriptions: { orders: 'paid' } })).rejects.toEqual(
        mqError('LINT_FAILED', 'SUBSCRIPTION_MISMATCH: '),
      )
    }
    await join(mq, { clientId: 'b' })
    expect(mq.lint.findings).toMatchObject([{ code: 'SUBSCRIPTION_MISMATCH', count: 2, isRefused: true }])
    await expect(mq.close()).resolves.toMatchObject({ drained: true })
  })

  test('says what to do, and how to switch the rule off', async () => {
    const mq = await open({ strict: 'throw' })
    const refusal = send(mq, LARGE)
    await expect(refusal).rejects.toEqual(mqError('LINT_FAILED', 'Store the content elsewhere'))
    await expect(refusal).rejects.toMatchObject({ outcome: 'not-attempted' })
    await expect(refusal).rejects.toEqual(mqError('LINT_FAILED', "strict: { level: 'throw', ignore: [...] }"))
    expect(mq.ledger.of('stored')).toEqual([])
    expect(mq.ledger.of('send-failed')).toHaveLength(1)
  })

  test('rejects close with everything that it could not refuse, and closes all the same', async () => {
    const mq = await open({ strict: 'throw' })
    await repeatAnEffect(mq)
    const closing = mq.close()
    await expect(closing).rejects.toEqual(mqError('LINT_FAILED', 'REPEATED_EFFECT (risky): '))
    await expect(closing).rejects.toEqual(mqError('LINT_FAILED', 'What to do: Note in your database'))
    expect(mq.state).toBe('closed')
    await expect(mq.close()).rejects.toEqual(mqError('LINT_FAILED'))
  })

  test('rejects the close of the life after a crash too', async () => {
    const mq = await open({ strict: 'throw' })
    await repeatAnEffect(mq)
    const next = await mq.crash()
    await expect(mq.close()).resolves.toBeDefined()
    await expect(next.close()).rejects.toEqual(mqError('LINT_FAILED', 'REPEATED_EFFECT'))
  })

  test('lets pass what is ignored', async () => {
    const mq = await open({
      strict: { level: 'throw', ignore: ['BODY_NEAR_LIMIT', 'REPEATED_EFFECT'] },
    })
    await send(mq, LARGE)
    await repeatAnEffect(mq)
    expect(mq.lint.findings).toEqual([])
    await expect(mq.close()).resolves.toMatchObject({ drained: true })
  })
})

describe('The option strict', () => {
  test.each([
    [{ level: 'throw', ignore: ['BODY_TOO_NEAR'] }, 'strict.ignore.0'],
    [{ level: 'loud' }, 'strict.level: Invalid option: expected one of'],
    ['loud', "not 'loud'"],
    [{ level: 'warn', ignored: [] }, "Did you mean 'strict.ignore'?"],
    [null, 'strict'],
  ])('refuses %o', async (strict, text) => {
    await expect(createTestMQ({ strict: strict as never })).rejects.toEqual(
      mqError('INVALID_PARAMETER', text),
    )
  })

  test('takes a level and leaves nothing out by default', async () => {
    const mq = await open({ strict: { level: 'warn' } })
    await send(mq, LARGE)
    expect(mq.lint.findings).toHaveLength(1)
  })
})
