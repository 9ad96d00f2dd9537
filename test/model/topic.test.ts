import { describe, expect, test } from 'vitest'
import {
  checkGroupName,
  checkNotSystemTopic,
  checkTopicName,
  deadLetterTopicOf,
  defaultGroupConfig,
  isDeadLetterTopic,
  isRetryTopic,
  isSystemTopic,
  Permission,
  retryTopicOf,
} from '../../src/model/topic.ts'
import { refusal } from './refusal.ts'

describe('A topic name', () => {
  test.each(['a', 'order-events_2', 'tenant%orders', 'a|b', '0', '%RETRY%billing', 'x'.repeat(127)])(
    'may be %s',
    (name) => {
      expect(() => checkTopicName(name)).not.toThrow()
    },
  )

  test.each(['a b', 'a.b', 'a/b', 'a+b', 'a#b', 'a@b', 'a\nb', 'ä', '订单', 'a\u0000'])(
    'must not be %j: only letters, digits and %% | _ -',
    (name) => {
      const error = refusal(() => checkTopicName(name))
      expect(error.code).toBe('INVALID_PARAMETER')
      expect(error.message).toContain('illegal characters')
    },
  )

  test.each([undefined, null, 7, {}, '', '   '])('must be a name that is not blank, not %j', (name) => {
    const error = refusal(() => checkTopicName(name))
    expect(error.code).toBe('INVALID_PARAMETER')
    expect(error.message).toContain('must be a name')
  })

  test('has at most 127 characters', () => {
    expect(refusal(() => checkTopicName('x'.repeat(128))).message).toContain('at most 127')
  })

  test('has at most 255 characters when it is a retry or dead-letter topic', () => {
    for (const prefix of ['%RETRY%', '%DLQ%']) {
      expect(() => checkTopicName(prefix + 'x'.repeat(255 - prefix.length))).not.toThrow()
      expect(refusal(() => checkTopicName(prefix + 'x'.repeat(256 - prefix.length))).message).toContain(
        'at most 255',
      )
    }
  })

  test('of 128 characters is refused by its length before its characters are looked at', () => {
    expect(refusal(() => checkTopicName(' .'.repeat(64))).message).toContain('at most 127')
  })
})

describe('A group name', () => {
  test('has at most 120 characters of the same kinds', () => {
    expect(() => checkGroupName('g'.repeat(120))).not.toThrow()
    expect(refusal(() => checkGroupName('g'.repeat(121))).message).toContain('at most 120')
    expect(refusal(() => checkGroupName('a b')).code).toBe('INVALID_PARAMETER')
    expect(refusal(() => checkGroupName(undefined)).message).toContain('must be a name')
  })

  test('of the greatest length still has legal retry and dead-letter topics', () => {
    const group = 'g'.repeat(120)
    expect(() => checkTopicName(retryTopicOf(group))).not.toThrow()
    expect(() => checkTopicName(deadLetterTopicOf(group))).not.toThrow()
  })
})

describe('Topics that are not ordinary', () => {
  test('are told by their prefix', () => {
    expect(retryTopicOf('billing')).toBe('%RETRY%billing')
    expect(deadLetterTopicOf('billing')).toBe('%DLQ%billing')
    expect(isRetryTopic('%RETRY%billing')).toBe(true)
    expect(isRetryTopic('billing%RETRY%')).toBe(false)
    expect(isDeadLetterTopic('%DLQ%billing')).toBe(true)
    expect(isDeadLetterTopic('%RETRY%billing')).toBe(false)
  })

  test.each(['TBW102', 'SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'rmq_sys_wheel_timer'])(
    'that RocketMQ keeps for itself, such as %s, are refused',
    (topic) => {
      expect(isSystemTopic(topic)).toBe(true)
      expect(refusal(() => checkNotSystemTopic(topic)).code).toBe('NO_PERMISSION')
    },
  )

  test('that merely look alike are allowed', () => {
    expect(() => checkNotSystemTopic('tbw102')).not.toThrow()
    expect(() => checkNotSystemTopic('RMQ_SYS_OTHER')).not.toThrow()
  })
})

describe('Settings', () => {
  test('have RocketMQ’s permission bits: 4 reads, 2 writes', () => {
    expect(Permission).toEqual({ NONE: 0, WRITE: 2, READ: 4, READ_WRITE: 6 })
  })

  test('of a new group let it consume, with one retry queue and 16 retries, in no special order', () => {
    expect(defaultGroupConfig('billing')).toEqual({
      group: 'billing',
      consumeEnable: true,
      consumeBroadcastEnable: true,
      retryQueueNums: 1,
      consumeMessageOrderly: false,
      retryMaxTimes: 16,
    })
  })
})
