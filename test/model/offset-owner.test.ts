import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOffsetOwner, offsetOwnerOf, parseOffsetOwner } from '../../src/model/offset-owner.ts'
import { checkGroupName } from '../../src/model/topic.ts'

describe('The name that a member keeps its offsets under', () => {
  test('is read back, whatever the member is called', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[%|a-zA-Z0-9_-]{1,120}$/),
        fc.string({ minLength: 1 }),
        (group, clientId) => {
          expect(parseOffsetOwner(offsetOwnerOf(group, clientId))).toEqual({ group, clientId })
        },
      ),
    )
  })

  test('is never the legal name of a group', () => {
    const name = offsetOwnerOf('billing', 'printer')
    expect(isOffsetOwner(name)).toBe(true)
    expect(() => checkGroupName(name)).toThrow('illegal')
  })

  test('is not what a group keeps its own offsets under', () => {
    expect(isOffsetOwner('billing')).toBe(false)
    expect(parseOffsetOwner('billing')).toEqual({ group: 'billing' })
  })
})
