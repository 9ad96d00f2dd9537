/** Batches for a listener that are larger than a pull can bring. */
import { defineRule } from './rule.ts'

/** `maxTransferCountOnMessageInMemory`: so many messages a broker gives out at a time, whatever is asked for. */
const BROKER_PULL_COUNT = 32

export const batchSizeCapped = defineRule({
  code: 'BATCH_SIZE_CAPPED',
  severity: 'note',
  title: `A listener asks for more than ${BROKER_PULL_COUNT} messages at a time.`,
  explanation:
    `A batch comes out of one pull, and a broker answers a pull with at most ${BROKER_PULL_COUNT} messages, or 8 from the disk, ` +
    'whatever pullBatchSize and consumeMessageBatchMaxSize say.',
  advice: `Do not rely on larger batches, or raise maxTransferCountOnMessageInMemory on the brokers.`,
  reference: 'DefaultMessageStore#isTheBatchFull, MessageStoreConfig',
  refuses: false,
  watch: (report) => ({
    consumerJoins({ registration: { group }, settings }) {
      if (settings?.listener.kind !== 'batch' || settings.listener.maxCount <= BROKER_PULL_COUNT) return
      const message = `The group '${group}' has consumeMessageBatchMaxSize ${settings.listener.maxCount}.`
      report({ subject: group, group, message })
    },
  }),
})
