// The bodies of chaos runs: each byte follows from the id and its position, so that no wrong byte can pass.

const lineLength = 64;

/** Line `n` of the body of `id`: 64 characters. */
function line(id: string, n: number): string {
  return `${id}#${n}#`
    .padEnd(lineLength - 1, id)
    .slice(0, lineLength - 1)
    .concat('\n');
}

/** `bytes` bytes of the body of `id`, from `offset` on. */
export function pattern(id: string, bytes: number, offset = 0): Buffer {
  const first = Math.floor(offset / lineLength);
  const last = Math.ceil((offset + bytes) / lineLength);
  let text = '';
  for (let n = first; n < last; n++) text += line(id, n);
  return Buffer.from(text, 'latin1')
    .subarray(offset - first * lineLength)
    .subarray(0, bytes);
}
