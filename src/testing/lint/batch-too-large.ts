/** Batches above the size that RocketMQ advises. */
import { BATCH_ADVISED_BYTES } from '../../model/limits.ts'
import { defineRule } from './rule.ts'

export const batchTooLarge = defineRule({
  code: 'BATCH_TOO_LARGE',
  severity: 'risky',
  title: 'A batch has more than 1 MiB.',
  explanation:
    'A batch is one request and one append, encoded with 22 bytes and the properties of every message: large ones time out, ' +
    'and those of many small messages pass 4 MiB on the way, which is refused.',
  advice: 'Split it with splitIntoBatches.',
  reference: 'MessageBatch#encode, Validators#checkMessage',
  refuses: true,
  watch: (report) => ({
    sends({ topic, messages }) {
      // A message cannot be split, so one that stands alone is no batch.
      if (messages.length < 2) return
      const bytes = messages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      if (bytes <= BATCH_ADVISED_BYTES) return
      const message = `A batch of ${messages.length} messages for '${topic}' has ${bytes} bytes.`
      report({ subject: topic, topic, message })
    },
  }),
})
