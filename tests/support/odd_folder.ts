import { fileURLToPath } from "node:url";
import { repositoryFiles, ROOT } from "./repository.ts";

/** A folder with a name that URLs and shell texts read as something else. */
export class OddFolder implements AsyncDisposable {
  readonly #parent = Deno.makeTempDirSync({ prefix: "leader-node-" });
  /** Ends with a slash. */
  readonly path = `${this.#parent}/My Bücher a#b 100% q?x/`;

  constructor() {
    Deno.mkdirSync(this.path);
  }

  /** One with a copy of the repository in it. */
  static async withRepository(): Promise<OddFolder> {
    const folder = new OddFolder();
    for (const file of repositoryFiles()) {
      await Deno.mkdir(folder.path + file.slice(0, file.lastIndexOf("/") + 1), { recursive: true });
      await Deno.copyFile(fileURLToPath(new URL(file, ROOT)), folder.path + file);
    }
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#parent, { recursive: true });
  }
}
