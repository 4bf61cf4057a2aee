import { assertEquals } from "@std/assert";
import { ChangeNotifier } from "../../http/change_notifier.ts";

Deno.test("a feed wakes whoever waits, once, and not those who have seen it", async () => {
  const feed = new ChangeNotifier();
  const { signal } = new AbortController();
  const waits = feed.next(feed.version, 60_000, signal);
  assertEquals(feed.waiting, 1);
  feed.changed();
  await waits;
  assertEquals(feed.waiting, 0);
  await feed.next(0, 60_000, signal);
  const closing = feed.next(feed.version, 60_000, signal);
  feed.close();
  await closing;
});
