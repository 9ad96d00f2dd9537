import { expect, onTestFinished, test } from 'vitest'
import { NEVER } from '../../src/store/invisible-run.ts'
import { openBareStore } from './set-up.ts'

test('The check finds a message whose attempts are counted twice', async () => {
  const shop = await openBareStore()
  onTestFinished(() => shop.store.close())
  const [log, other] = (await shop.createTopic('orders', 2)).logs
  await shop.send('a', log)
  await shop.send('b', other)
  const [{ uid: groupUid }, { uid: otherUid }] = [
    await shop.createGroup('billing'),
    await shop.createGroup('shipping'),
  ]
  const count = (place: { groupUid: number; queueUid: number }) =>
    shop.store.commit({
      alarmsSet: [{ kind: 'attempts', dueTimestamp: NEVER, ...place, queueOffset: 0, attempt: 1 }],
    })
  await count({ groupUid, queueUid: log!.uid })
  await count({ groupUid, queueUid: other!.uid })
  await count({ groupUid: otherUid, queueUid: log!.uid })
  expect((await shop.store.check()).problems).toEqual([])
  await count({ groupUid, queueUid: log!.uid })
  expect((await shop.store.check()).problems).toEqual([
    { kind: 'alarm', message: expect.stringContaining(`the attempts of offset 0 of queue ${log!.uid}`) },
  ])
})
