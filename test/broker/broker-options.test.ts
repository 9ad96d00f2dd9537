import { describe, expect, test } from 'vitest'
import { parseBrokerOptions } from '../../src/broker/broker-options.ts'
import { Permission } from '../../src/model/topic.ts'

describe('The settings of a broker', () => {
  test('are complete and frozen, with RocketMQ’s defaults', () => {
    const options = parseBrokerOptions()
    expect(options).toMatchObject({
      brokerName: 'localhost',
      autoCreateTopicEnable: true,
      defaultTopicQueueNums: 4,
      deadLetterPermission: Permission.NONE,
      lockLeaseMs: 60_000,
    })
    expect(options.messageDelayLevel).toHaveLength(18)
    expect(Object.isFrozen(options)).toBe(true)
  })

  test('take a delay table as RocketMQ writes it', () => {
    expect(parseBrokerOptions({ messageDelayLevel: '500ms 1s 2h' }).messageDelayLevel).toEqual([
      500, 1000, 7_200_000,
    ])
  })

  test.each([
    [{ brokerName: 'no spaces' }, 'brokerName'],
    [{ brokerName: 'a@b@c' }, 'brokerName'],
    [{ brokerName: 'a@' }, 'brokerName'],
    [{ brokerName: 'x'.repeat(128) }, 'brokerName'],
    [{ defaultTopicQueueNums: 0 }, 'defaultTopicQueueNums'],
    [{ defaultTopicQueueNums: 65_537 }, 'defaultTopicQueueNums'],
    [{ deadLetterPermission: 1 }, 'deadLetterPermission'],
    [{ messageDelayLevel: '1s soon' }, 'messageDelayLevel'],
    [{ messageDelayLevel: '' }, 'messageDelayLevel'],
    [{ lockLeaseMs: 40_000.5 }, 'lockLeaseMs'],
    [{ lockLeaseMs: 39_999 }, 'lockLeaseMs'],
    [{ autoCreateTopicEnabled: true }, "Did you mean 'autoCreateTopicEnable'?"],
  ])('%j is refused by name', (value, text) => {
    expect(() => parseBrokerOptions(value)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }))
    expect(() => parseBrokerOptions(value)).toThrow(text)
  })
})
