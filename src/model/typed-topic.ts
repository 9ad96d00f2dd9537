/** Topics whose messages have values of a known type: a name and a schema, which both edges check by. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkBody } from './check-value.ts'
import { invalidParameter } from './errors.ts'
import type { MessageView } from './message.ts'
import { checkTopicName } from './topic.ts'

/** What `defineTopic` takes. */
export interface TopicDefinition<Name extends string, Schema extends StandardSchemaV1> {
  /** The name of the topic: 1 to 127 letters, digits, `%`, `|`, `_` or `-`. */
  readonly name: Name
  /**
   * What the body of each message is, as JSON: a schema of Zod, Valibot, ArkType or any other library that implements
   * Standard Schema (https://standardschema.dev). It may be asynchronous.
   */
  readonly schema: Schema
}

/**
 * A topic and the type of its messages; made by {@link defineTopic}. It holds no connection: producers, consumers and `admin` of
 * any instance take it.
 */
export class TypedTopic<Name extends string = string, Schema extends StandardSchemaV1 = StandardSchemaV1> {
  /** The name of the topic. */
  readonly name: Name
  /** What its messages are checked by. */
  readonly schema: Schema

  /** Applications call {@link defineTopic}. */
  constructor({ name, schema }: TopicDefinition<Name, Schema>) {
    this.name = name
    this.schema = schema
    Object.freeze(this)
  }

  /**
   * The value of a message from anywhere: a dead letter, a query, a transaction check. Rejects with `SCHEMA_MISMATCH`, and the issues
   * in `issues`, when it is not what the schema demands, and with `INVALID_PARAMETER` when the schema itself fails.
   *
   * @example
   * ```ts
   * import { defineTopic, PocketMQ } from 'pocketmq'
   * import { z } from 'zod'
   * const orders = defineTopic({ name: 'orders', schema: z.object({ amount: z.number() }) })
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * for (const message of await mq.admin.browse(orders.name)) console.log((await orders.parse(message)).amount)
   * ```
   */
  async parse(message: MessageView): Promise<StandardSchemaV1.InferOutput<Schema>> {
    if (typeof message !== 'object' || message === null) throw invalidParameter('parse needs a message.')
    const checked = await checkBody(this, message)
    if (checked.error !== undefined) throw checked.error
    return checked.value as StandardSchemaV1.InferOutput<Schema>
  }
}

const FIELDS: ReadonlySet<string> = new Set(['name', 'schema'])

/**
 * Gives the messages of a topic a type. A producer takes the topic in the place of its name, and the value in the place of the
 * bytes; a consumer that has it in `topics` gets messages with a `value`. Bodies are stored as JSON and checked at both edges:
 * a send rejects with `SCHEMA_MISMATCH` before anything is written, and what a push consumer cannot read becomes a dead letter.
 * Throws `INVALID_PARAMETER` for a wrong name, or for what is no Standard Schema.
 *
 * @example
 * ```ts
 * import { defineTopic, PocketMQ } from 'pocketmq'
 * import { z } from 'zod'
 * const orders = defineTopic({ name: 'orders', schema: z.object({ id: z.string(), amount: z.number() }) })
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * await mq.createPushConsumer({
 *   group: 'billing',
 *   topics: [orders],
 *   listener: (message) => console.log(message.value.amount.toFixed(2)),
 * })
 * const producer = await mq.createProducer({ group: 'shop' })
 * await producer.send({ topic: orders, body: { id: 'o-42', amount: 9.5 } })
 * ```
 */
export function defineTopic<const Name extends string, Schema extends StandardSchemaV1>(
  definition: TopicDefinition<Name, Schema>,
): TypedTopic<Name, Schema> {
  if (typeof definition !== 'object' || definition === null)
    throw invalidParameter('defineTopic needs { name, schema }.')
  const unknown = Object.keys(definition).find((field) => !FIELDS.has(field))
  if (unknown !== undefined)
    throw invalidParameter(`defineTopic has no option '${unknown}'; known are ${[...FIELDS].join(', ')}.`)
  checkTopicName(definition.name)
  checkSchema(definition.schema)
  return new TypedTopic(definition)
}

/** Schemas of some libraries are functions. */
function checkSchema(schema: unknown): void {
  const isValue = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard = isValue ? (schema as Partial<StandardSchemaV1>)['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return
  throw invalidParameter(
    "The schema must implement Standard Schema 1, as those of Zod, Valibot and ArkType do: it needs '~standard'.",
  )
}
