/** The types of messages of typed topics: what may be sent, and what consumers get. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { MessageView } from './message.ts'
import type { TypedTopic } from './typed-topic.ts'

/** Where a message goes: the name of a topic, or what `defineTopic` answered. */
export type Destination = string | TypedTopic

/** The body of a message for a topic: bytes or text, or what the schema of the topic takes. */
export type BodyFor<To extends Destination> =
  To extends TypedTopic<string, infer Schema> ? StandardSchemaV1.InferInput<Schema> : string | Uint8Array

/** A message with the value that the schema of its topic makes of its body. */
export interface TypedMessageView<Name extends string = string, Value = unknown> extends MessageView {
  readonly topic: Name
  /**
   * The body, parsed and checked. A push consumer hands out no message without one. With other consumers it throws
   * `SCHEMA_MISMATCH`, with the issues in `issues`, when the body is not what the schema demands, and `INVALID_PARAMETER` when the
   * schema itself failed, or had not answered in time.
   */
  readonly value: Value
}

/** The messages of a typed topic, or of any of several: `MessageOf<typeof orders>`. */
export type MessageOf<Topic extends TypedTopic> =
  Topic extends TypedTopic<infer Name, infer Schema>
    ? TypedMessageView<Name, StandardSchemaV1.InferOutput<Schema>>
    : never

/** Topics that a consumer knows the types of. */
export type TopicList = readonly TypedTopic[]

/**
 * What a consumer with these typed topics gets: with several a union, told apart by `message.topic`. Names are those that it subscribes
 * to; those among them that have no type come without a value.
 */
export type ConsumedMessage<
  Topics extends TopicList,
  Names extends string = never,
> = Topics extends readonly []
  ? MessageView
  : MessageOf<Topics[number]> | PlainMessage<Exclude<Names, Topics[number]['name']>>

type PlainMessage<Name extends string> = [Name] extends [never]
  ? never
  : MessageView & { readonly topic: Name }
