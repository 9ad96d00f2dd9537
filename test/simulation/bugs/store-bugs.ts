/** Mistakes with what is stored and shown: holes, wrong receipts, torn orders, broken indexes, altered messages. */
import { Publish } from '../../../src/broker/publish.ts'
import { MQError } from '../../../src/model/errors.ts'
import { realTime } from '../../../src/model/system-clock.ts'
import { Databases } from '../../../src/store/databases.ts'
import { FrameBuilder } from '../../../src/store/frame.ts'
import { StoredMessage } from '../../../src/store/stored-message.ts'
import { type Bug, every, replaceGetter, replaceMethod } from './bug.ts'

/** The first byte of rows that find messages by key (src/store/keyspace.ts). */
const KEY_ROW = 0x6b

const receiptWrong: Bug = {
  name: 'receipt-wrong',
  story: 'Some receipts name the offset behind the one where the message lies.',
  checker: 'offset-identity',
  withinSeeds: 10,
  plant: () => {
    const isWrong = every(7)
    return replaceMethod(
      Publish.prototype,
      'send',
      (send) =>
        async function misled(this: Publish, request) {
          const receipt = await send.call(this, request)
          if (!isWrong()) return receipt
          const { status, durability, messageId, offsetMessageId, messageIds, queue } = receipt
          const { messageCount, storeTimestamp } = receipt
          const queueOffset = receipt.queueOffset + 1
          const ids = { messageId, offsetMessageId, messageIds }
          return { status, durability, ...ids, queue, queueOffset, messageCount, storeTimestamp }
        },
    )
  },
}

const storedThoughRefused: Bug = {
  name: 'stored-though-refused',
  story: 'Some sends are refused with the word that nothing is stored, and are stored.',
  checker: 'uncertainty',
  withinSeeds: 10,
  plant: () => {
    const isRefused = every(9)
    return replaceMethod(
      Publish.prototype,
      'send',
      (send) =>
        async function refused(this: Publish, request) {
          const receipt = await send.call(this, request)
          if (!isRefused()) return receipt
          throw new MQError('WRITE_FAILED', 'Nothing is stored.', { outcome: 'not-attempted' })
        },
    )
  },
}

const storedTwice: Bug = {
  name: 'stored-twice',
  story: 'Some sends are stored a second time.',
  checker: 'uncertainty',
  withinSeeds: 10,
  plant: () => {
    const isDoubled = every(11)
    return replaceMethod(
      Publish.prototype,
      'send',
      (send) =>
        async function doubled(this: Publish, request) {
          const receipt = await send.call(this, request)
          if (isDoubled()) await send.call(this, request)
          return receipt
        },
    )
  },
}

const orderTorn: Bug = {
  name: 'order-torn',
  story: 'Some sends are overtaken by the next one of their producer.',
  checker: 'send-order',
  withinSeeds: 10,
  plant: () => {
    const isSlow = every(5)
    return replaceMethod(
      Publish.prototype,
      'send',
      (send) =>
        async function overtaken(this: Publish, request) {
          if (isSlow()) await realTime.turn()
          return send.call(this, request)
        },
    )
  },
}

const sendForgotten: Bug = {
  name: 'send-forgotten',
  story: 'Some sends are never answered.',
  checker: 'liveness',
  withinSeeds: 10,
  plant: () => {
    const isForgotten = every(50)
    return replaceMethod(
      Publish.prototype,
      'send',
      (send) =>
        async function forgotten(this: Publish, request) {
          const receipt = await send.call(this, request)
          return isForgotten() ? new Promise(() => undefined) : receipt
        },
    )
  },
}

const offsetHole: Bug = {
  name: 'offset-hole',
  story: 'Now and then a queue leaves an offset out.',
  checker: 'dense-offsets',
  withinSeeds: 10,
  plant: () => {
    const skips = every(20)
    return replaceMethod(
      FrameBuilder.prototype,
      'build',
      (build) =>
        function holed(this: FrameBuilder, group, flushedSeq) {
          const [first] = group.appends
          if (first !== undefined && skips()) first.log.writtenOffset += 1
          return build.call(this, group, flushedSeq)
        },
    )
  },
}

const keyMissing: Bug = {
  name: 'key-missing',
  story: 'The index by key misses some messages.',
  checker: 'indexes',
  withinSeeds: 10,
  plant: () => {
    const isMissed = every(3)
    return replaceMethod(
      Databases.prototype,
      'write',
      (write) =>
        function missing(this: Databases, slice) {
          const index = slice.index.filter(({ key }) => key[0] !== KEY_ROW || !isMissed())
          return write.call(this, { ...slice, index })
        },
    )
  },
}

const bodyAltered: Bug = {
  name: 'body-altered',
  story: 'Some bodies are not what was sent.',
  checker: 'invention',
  withinSeeds: 10,
  plant: () =>
    replaceGetter(
      StoredMessage.prototype,
      'body',
      (body) =>
        function altered(this: StoredMessage) {
          const bytes = body.call(this)
          return this.queueOffset % 13 === 12 ? Buffer.concat([bytes, Buffer.from('!')]) : bytes
        },
    ),
}

const propertyLost: Bug = {
  name: 'property-lost',
  story: 'Some messages come without their properties.',
  checker: 'invention',
  withinSeeds: 10,
  plant: () =>
    replaceGetter(
      StoredMessage.prototype,
      'properties',
      (properties) =>
        function lost(this: StoredMessage) {
          return this.queueOffset % 13 === 12 ? {} : properties.call(this)
        },
    ),
}

export const STORE_BUGS: readonly Bug[] = [
  receiptWrong,
  storedThoughRefused,
  storedTwice,
  orderTorn,
  sendForgotten,
  offsetHole,
  keyMissing,
  bodyAltered,
  propertyLost,
]
