/**
 * A program that logs as a node does. On stdin it is told what to do, a line each: `log N TEXT` writes N lines,
 * `end` ends it in good order. After each order it says on stdout how its log is doing.
 */
import { TextLineStream } from "@std/streams/text-line-stream";
import { openLog } from "../../cli/log.ts";

const { log, writer } = openLog({ format: "json", level: "info", id: "test" });
let count = 0;
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
for await (const line of lines) {
  const [order, times, text = ""] = line.split(" ");
  if (order === "end") {
    const complete = await writer.end();
    console.log(JSON.stringify({ complete }));
    Deno.exit(7);
  }
  if (order === "log") { for (let i = 0; i < Number(times); i++) log("info", "line", { number: count++, text }); }
  // Whoever is held up by its log does not come to this.
  await new Promise((resolve) => setTimeout(resolve));
  console.log(JSON.stringify(writer.status));
}
