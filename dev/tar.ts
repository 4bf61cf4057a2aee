/** What a file in an archive is. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
}

const BLOCK = 512;

/**
 * The files of a folder as a tar archive, in the order of their names, of user 0 and of the time 0: the same files make
 * the same archive, which the flags for that of GNU's and BSD's tar do not agree on.
 */
export async function* tarOf(folder: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  for (const name of names) {
    using file = await Deno.open(`${folder}/${name}`);
    const { size, mode } = await file.stat();
    yield tarHeader({ name, size, mode: mode && mode & 0o111 ? 0o755 : 0o644 });
    for await (const chunk of file.readable) yield chunk;
    yield new Uint8Array(-size & (BLOCK - 1));
  }
  yield new Uint8Array(2 * BLOCK);
}

/** The block before a file's content, as POSIX has it (ustar). */
export function tarHeader({ name, size, mode }: TarEntry): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BLOCK);
  const put = (offset: number, text: string) => header.set(new TextEncoder().encode(text), offset);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  if (!/^[ -~]{1,99}$/.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name for an archive`);
  put(0, name);
  put(100, octal(mode, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size, 11));
  put(136, octal(0, 11));
  // The checksum counts as spaces.
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\x0000");
  put(148, `${octal(header.reduce((sum, byte) => sum + byte), 6)}\0 `);
  return header;
}
