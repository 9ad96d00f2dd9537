/** Every rule of the linter, in the order in which summaries and the documentation list them. */
import { batchSizeCapped } from './batch-size-capped.ts'
import { batchTooLarge } from './batch-too-large.ts'
import { bodyNearLimit } from './body-near-limit.ts'
import { brokerSettingNeeded } from './broker-setting-needed.ts'
import { consumerKindMismatch } from './consumer-kind-mismatch.ts'
import { consumerSettingsMismatch } from './consumer-settings-mismatch.ts'
import { delayTooLong } from './delay-too-long.ts'
import { messageTypeMismatch } from './message-type-mismatch.ts'
import { propertiesNotPortable } from './properties-not-portable.ts'
import { queuesNotAllocated } from './queues-not-allocated.ts'
import { repeatedEffect } from './repeated-effect.ts'
import { replyBySimpleConsumer } from './reply-by-simple-consumer.ts'
import { slowListener } from './slow-listener.ts'
import { subscribedTopicMissing } from './subscribed-topic-missing.ts'
import { subscriptionMismatch } from './subscription-mismatch.ts'
import { surplusConsumers } from './surplus-consumers.ts'
import { topicAutoCreated } from './topic-auto-created.ts'
import { transactionCheckerMismatch } from './transaction-checker-mismatch.ts'

export const LINT_RULES = [
  subscriptionMismatch,
  consumerKindMismatch,
  consumerSettingsMismatch,
  queuesNotAllocated,
  transactionCheckerMismatch,
  messageTypeMismatch,
  propertiesNotPortable,
  replyBySimpleConsumer,
  delayTooLong,
  bodyNearLimit,
  batchTooLarge,
  slowListener,
  repeatedEffect,
  topicAutoCreated,
  subscribedTopicMissing,
  surplusConsumers,
  batchSizeCapped,
  brokerSettingNeeded,
] as const

/** The stable name of a rule. */
export type LintCode = (typeof LINT_RULES)[number]['code']

export const LINT_CODES = LINT_RULES.map(({ code }) => code)
