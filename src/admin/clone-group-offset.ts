/** Lets a group go on where another one is (RocketMQ `mqadmin cloneGroupOffset`, semantics section 12.3). */
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { QueueStatus } from '../model/results.ts'
import { isRetryTopic } from '../model/topic.ts'
import { type CloneOffsetOptions, parseCloneOffset } from './admin-arguments.ts'
import type { QueueOffset } from './reset-offset.ts'

/** Copies the offsets that the source has; answers what was set. The destination is made if it does not exist. */
export async function cloneGroupOffset(
  engine: Engine,
  options: CloneOffsetOptions,
): Promise<readonly QueueOffset[]> {
  const { srcGroup, destGroup, topic } = parseCloneOffset(options)
  if (srcGroup === destGroup)
    throw invalidParameter(`cloneGroupOffset needs two groups, not '${srcGroup}' twice.`)
  await checkExists(engine, srcGroup)
  await engine.ensureGroup(destGroup)
  const cloned: QueueOffset[] = []
  for (const each of topic === undefined ? await consumableTopics(engine) : [topic]) {
    const offsets = await offsetsOf(engine, srcGroup, each)
    if (offsets.length === 0) continue
    const byQueueId = new Map(offsets.map(({ queue, offset }) => [queue.queueId, offset]))
    await engine.resetConsumerOffset(destGroup, each, byQueueId)
    cloned.push(...offsets)
  }
  return cloned
}

async function checkExists(engine: Engine, group: string): Promise<void> {
  const groups = await engine.queryGroups()
  if (groups.some((config) => config.group === group)) return
  throw new MQError('SUBSCRIPTION_GROUP_NOT_EXIST', `The group '${group}' does not exist.`)
}

/** A retry topic belongs to one group, so that its offsets mean nothing to another. */
async function consumableTopics(engine: Engine): Promise<string[]> {
  const topics = await engine.queryTopics()
  return topics.map(({ topic }) => topic).filter((topic) => !isRetryTopic(topic))
}

async function offsetsOf(engine: Engine, group: string, topic: string): Promise<QueueOffset[]> {
  const statuses = await engine.queryTopicStatus(topic)
  const offsets = await Promise.all(statuses.map((status) => offsetOf(engine, group, status)))
  return offsets.filter((found) => found !== undefined)
}

/** What retention took from the source is gone for the destination as well. */
async function offsetOf(
  engine: Engine,
  group: string,
  { queue, minOffset }: QueueStatus,
): Promise<QueueOffset | undefined> {
  const offset = await engine.queryConsumerOffset(group, queue)
  return offset === undefined ? undefined : { queue, offset: Math.max(offset, minOffset) }
}
