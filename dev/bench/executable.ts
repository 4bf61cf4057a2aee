import { makeExecutable } from "../compile.ts";

/** An executable, made now, and the folder that it is in. */
export interface Executable {
  readonly path: string;
  readonly folder: string;
}

/** Makes one in a folder that goes when this process ends. */
export async function executableOfNow(): Promise<Executable> {
  const folder = await Deno.makeTempDir({ prefix: "leader-node-bench-" });
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  const path = `${folder}/leader-node`;
  await makeExecutable(path, {});
  return { path, folder };
}
