import * as fs from "node:fs";
import { promisify } from "node:util";
import { named } from "./errors.ts";

const readFile = promisify(fs.readFile);
const writeFile = promisify(fs.writeFile);

/** Files that are not to be made are opened for reading too: of all modes, only those two leave them out. */
const flagOf = ({ create = true }: { create?: boolean }) => create ? "w" : "r+";

/** Deno's calls for files, as far as this program uses them. */
export const files = {
  readTextFileSync: (path: string): string => orNamed(() => fs.readFileSync(path, "utf8")),
  readFileSync: (path: string): Uint8Array => orNamed(() => fs.readFileSync(path)),
  async readTextFile(path: string): Promise<string> {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw named(error);
    }
  },
  writeTextFileSync(path: string, text: string, options: { create?: boolean } = {}): void {
    fs.writeFileSync(path, text, { flag: flagOf(options) });
  },
  async writeTextFile(path: string, text: string, options: { create?: boolean } = {}): Promise<void> {
    await writeFile(path, text, { flag: flagOf(options) });
  },
  readDirSync: (path: string): { name: string; isDirectory: boolean }[] =>
    fs.readdirSync(path, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isDirectory: entry.isDirectory(),
    })),
  mkdirSync: (path: string): void => void fs.mkdirSync(path),
  /** Of folders only. */
  removeSync: (path: string): void => fs.rmdirSync(path),
  statSync(path: string): { isFile: boolean; mode: number; uid: number } {
    const info = fs.statSync(path);
    return { isFile: info.isFile(), mode: info.mode, uid: info.uid };
  },
  openSync(path: string): Disposable & { readSync(into: Uint8Array): number | null } {
    const file = fs.openSync(path, "r");
    return {
      readSync: (into) => fs.readSync(file, into) || null,
      [Symbol.dispose]: () => fs.closeSync(file),
    };
  },
};

function orNamed<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw named(error);
  }
}
