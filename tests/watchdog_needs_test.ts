import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { freePort, Program } from "./support/program.ts";
import { unixTest as test } from "./support/systems.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

test("an executable that is deleted: the node says that there can be no other watchdog, and keeps trying", async () => {
  await using etcd = await LocalEtcd.start();
  const folder = await Deno.makeTempDir();
  const executable = `${folder}/deno`;
  const original = await Deno.realPath(Deno.execPath());
  const place = () => Deno.link(original, executable).catch(() => Deno.copyFile(original, executable));
  await place();
  const port = freePort();
  const flags = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint];
  await using node = Program.start(executable, ["run", "-A", "--quiet", MAIN, ...flags, "--", "sleep", "100"]);
  const says = (word: string) => node.until(word, () => Promise.resolve(node.output.includes(word)));
  const get = async (path: string) => await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  const watchdog = async (): Promise<number | null> => JSON.parse(await get("/status")).watchdog.pid;
  await says("command-started");
  const first = await watchdog();

  await Deno.remove(executable);
  const gone = `watchdog-unavailable reason=${executable}`;
  await says(gone);
  assertStringIncludes(
    await get("/readyz?verbose"),
    `[!] another watchdog could not be started: ${executable} is gone`,
  );
  await place();
  await node.until("no more warning", async () => !(await get("/readyz?verbose")).includes("[!]"));
  assertEquals(await watchdog(), first, "the same all the time");

  await Deno.remove(executable);
  Deno.kill(first!, "SIGKILL");
  await node.until("a warning", async () => (await get("/readyz?verbose")).includes("[!] there is no watchdog: "));
  assertStringIncludes(await get("/readyz?verbose"), "\nok");
  await node.until("the reason", () => Promise.resolve(/watchdog-ended reason=.*deno/.test(node.output)));

  await place();
  await node.until("another watchdog", async () => await watchdog() !== null);
  await node.until("no more warning", async () => !(await get("/readyz?verbose")).includes("[!]"));
  await node.stop();
  await Deno.remove(folder, { recursive: true });
});
