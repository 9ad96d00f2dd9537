/** The name that an application may give to one of its clients. */
import { z } from 'zod'

const MAX_LENGTH = 255

/** It travels in properties and lies in rows, as UTF-8: with a lone surrogate it would come back as another name. */
export const clientIdSchema = z
  .string()
  .trim()
  .min(1)
  .max(MAX_LENGTH)
  .refine((name) => name.isWellFormed(), 'must hold no lone surrogate')
