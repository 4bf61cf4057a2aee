import { assert, assertEquals, assertThrows } from "@std/assert";
import { quote } from "../../cli/flags.ts";
import { openLog } from "../../cli/log.ts";
import { visibleJson } from "../../cli/visible.ts";
import { isPrintable, printable } from "../../election/internal.ts";
import { InvalidOptionError } from "../../election/mod.ts";
import { checkEndpoints } from "../../election/etcd/options.ts";
import { storeError } from "../../election/etcd/errors.ts";
import type { LogFormat } from "../../supervise/log.ts";

/** What a terminal would obey: ESC, CSI as one character, DEL, a line end, an override of the direction, and more. */
const HOSTILE = "a\x1b[2J\x9b2J\x7f\n\u202eb\u2028\u{e0041}\ud800";

const RAW = /[\p{C}\p{Zl}\p{Zp}]/u;

Deno.test("JSON for terminals has nothing raw that they would obey, and reads back as the same", () => {
  const json = visibleJson({ [HOSTILE]: [HOSTILE, 1, null] });
  assert(!RAW.test(json), json);
  assertEquals(JSON.parse(json), { [HOSTILE]: [HOSTILE, 1, null] });
});

Deno.test("names may hold the joiners of emoji and of scripts, but nothing that is hidden or turns text around", () => {
  const names = ["👨‍👩‍👧‍👦", "❤️‍🔥", "می‌خواهم", "क्‍ष", "naïve", "日本", "אבג"];
  for (const name of names) {
    assertEquals([isPrintable(name), printable(name)], [true, name]);
    assertEquals(visibleJson(name), `"${name}"`);
  }
  const hidden = [
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\u200e",
    "\u061c",
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\u{e0041}",
  ];
  for (const text of [...hidden, "\u200d", "\u200c"]) {
    assertEquals(
      [isPrintable(`a${text}b`), printable(`a${text}b`)],
      [false, "a\uFFFDb"],
      text.codePointAt(0)!.toString(16),
    );
    assert(!visibleJson(`a${text}b`).includes(text));
  }
  for (const text of hidden) assertEquals(printable(`é${text}é`), "é\uFFFDé");
  assertEquals([printable("\u200da"), printable("é\u200d\u200de")], ["\uFFFDa", "é\u200d\uFFFDe"]);
});

Deno.test("log lines show control characters escaped, and fields of a limited length", async () => {
  const written = async (format: LogFormat, value: string) => {
    let text = "";
    const sink = {
      write: (bytes: Uint8Array) => {
        text += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    };
    const { log, writer } = openLog({ format, level: "info", id: "a" }, sink);
    log("warn", "etcd-failing", { message: value });
    await writer.end();
    return text.trimEnd();
  };
  for (const format of ["text", "json"] as const) {
    const line = await written(format, HOSTILE);
    assert(!RAW.test(line), line);
    assert((await written(format, "x".repeat(1e6))).length < 2200);
  }
  assertEquals(JSON.parse((await written("text", HOSTILE)).split("message=")[1]!), HOSTILE);
  assertEquals(JSON.parse(await written("json", HOSTILE)).message, HOSTILE);
});

Deno.test("what etcd says in an error is one line of limited length", () => {
  const { message } = storeError(new Error(`2 UNKNOWN: etcdserver: ${HOSTILE}${"x".repeat(1e6)}`), "http://a:1");
  assert(message.startsWith("etcd at a:1 returned an error: a\uFFFD[2J"), message.slice(0, 100));
  assert(!RAW.test(message) && message.length < 600);
});

Deno.test("passwords in endpoint URLs are in no error, whatever their characters", () => {
  const secrets = ["secret", "se/cret", "se@cret", "se:cret", "se//cret", "se cret", "se?cr#et", "secret\ncret", "@"];
  for (const password of secrets) {
    for (const scheme of ["http://", "https://", ""]) {
      const endpoint = `${scheme}root:${password}@host:2379`;
      const { message } = assertThrows(() => checkEndpoints([endpoint]), InvalidOptionError);
      assertEquals(message.split(";")[0], `Invalid option endpoints: ["${scheme}***@host:2379"]`);
      assertEquals(quote(endpoint), `"${scheme}***@host:2379"`);
      assert(!quote(`http://a:1,${endpoint},http://b:1`).includes("ecret"));
    }
  }
  assertEquals([quote("me@host"), quote("a\x9b")], ['"me@host"', '"a\\u009b"']);
});
