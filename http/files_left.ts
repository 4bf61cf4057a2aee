/** How many files a connection to etcd, or the start of a program, may take. */
const NEEDED = 12;

/** How often it is looked whether files are left: idle connections may take all and no more. */
export const LOOK_EVERY_MS = 2000;

/** Tries whether this process can open a few more files. What it may not try counts as possible. */
export function canOpenMore(open: () => { close(): void }): boolean {
  const opened: { close(): void }[] = [];
  try {
    while (opened.length < NEEDED) opened.push(open());
    return true;
  } catch (error) {
    return !isOutOfFiles(error);
  } finally {
    for (const file of opened) file.close();
  }
}

export function isOutOfFiles(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EMFILE" || error.code === "ENFILE");
}
