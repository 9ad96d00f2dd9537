/** Bytes in hex, to be read by people: white space is ignored, and so is the rest of a line behind two slashes. */
export function hex(drawing: string): string {
  return drawing.replaceAll(/\/\/.*$/gm, '').replaceAll(/\s/g, '')
}

/** The bytes that a drawing stands for. */
export function bytesOf(drawing: string): Buffer {
  return Buffer.from(hex(drawing), 'hex')
}
