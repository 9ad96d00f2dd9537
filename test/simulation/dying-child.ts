/** A process of `npm run sim` that cannot bear the second seed. */
import { serveTasks } from './jobs.ts'
import type { Task } from './tasks.ts'

process.on('message', (task: Task) => {
  if (task.kind === 'seed' && task.seed === 2) process.kill(process.pid, 'SIGKILL')
})
serveTasks()
