/** Standard Schemas made by hand: what libraries do, and what no library should. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

type Result<Output> = StandardSchemaV1.Result<Output>

/** A schema that answers what the function does, whatever that is. */
export function schemaOf<Input, Output = Input>(
  validate: (value: unknown) => Result<Output> | Promise<Result<Output>>,
): StandardSchemaV1<Input, Output> {
  return { '~standard': { version: 1, vendor: 'by hand', validate } }
}

/** An order as tests know it. */
export interface Order {
  readonly id: string
  readonly amount: number
}

/** Refuses what is no order, naming the path of what is wrong. */
export function checkOrder(value: unknown): Result<Order> {
  const { id, amount } = Object(value) as Partial<Order>
  const issues: StandardSchemaV1.Issue[] = []
  if (typeof id !== 'string') issues.push({ message: 'must be a string', path: ['id'] })
  if (typeof amount !== 'number') issues.push({ message: 'must be a number', path: [{ key: 'amount' }] })
  return issues.length > 0 ? { issues } : { value: value as Order }
}
