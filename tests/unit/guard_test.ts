import { assertEquals } from "@std/assert";
import type { Term } from "../../election/mod.ts";
import { graceLeftMs, watchdogDeadline } from "../../supervise/budgets.ts";
import { deadlineOf, guard, type Guarded } from "../../supervise/guard.ts";

/** So many milliseconds after the deadline was sent, by both clocks. */
function at(monotonic: number, wall = monotonic) {
  return { monotonic: 1000 + monotonic, wall: 50_000 + wall };
}

const deadline = { since: at(0), stopMs: 600, killMs: 900 };
const running: Guarded = { pid: 7, deadline };
const stopping: Guarded = { ...running, stopping: true };

Deno.test("a watchdog waits for the deadline, sends SIGTERM a little after it, and SIGKILL at the end", () => {
  assertEquals(guard(running, at(100)), { guarded: running, againMs: 550 });
  assertEquals(guard(running, at(649)), { guarded: running, againMs: 1 });
  assertEquals(guard(running, at(650)), { guarded: stopping, signal: "SIGTERM", againMs: 250 });
  assertEquals(guard(stopping, at(899)), { guarded: stopping, againMs: 1 });
  assertEquals(guard(stopping, at(900)), { guarded: { deadline }, signal: "SIGKILL" });
});

Deno.test("a command that its node stops gets no second SIGTERM, and one that a frozen watchdog meets late is killed", () => {
  assertEquals(guard(stopping, at(700)), { guarded: stopping, againMs: 200 });
  assertEquals(guard(running, at(5000)).signal, "SIGKILL");
  assertEquals(guard({ ...running, deadline: { ...deadline, stopMs: 890 } }, at(895)).againMs, 5);
});

Deno.test("a watchdog takes the larger of what two clocks say, and does nothing without a command or a deadline", () => {
  assertEquals(guard(running, at(10, 900)).signal, "SIGKILL");
  assertEquals(guard(running, at(900, -3_600_000)).signal, "SIGKILL");
  assertEquals(guard({ deadline }, at(5000)), { guarded: { deadline } });
  assertEquals(guard({ pid: 7 }, at(5000)), { guarded: { pid: 7 } });
});

Deno.test("a deadline that waited in the pipe counts from when it was sent", () => {
  const message = { type: "deadline", sentAt: at(0).wall, stopMs: 600, killMs: 900 } as const;
  const waited = deadlineOf(message, at(400));
  assertEquals(guard({ pid: 7, deadline: waited }, at(650)).signal, "SIGTERM");
  // The wall clock is set back after it has arrived: the monotonic clock counts the time in the pipe too.
  assertEquals(guard({ pid: 7, deadline: waited }, at(900, -3_600_000)).signal, "SIGKILL");
  // The wall clock was set back meanwhile.
  const back = deadlineOf(message, at(400, -5000));
  assertEquals(guard({ pid: 7, deadline: back }, at(400 + 899, -4101)).signal, "SIGTERM");
  assertEquals(guard({ pid: 7, deadline: back }, at(400 + 900, -4100)).signal, "SIGKILL");
});

Deno.test("a command that is stopped has its grace, and ends a tenth of the TTL before the lease can", () => {
  const stopping = { stopGraceMs: 3000, ttlMs: 10_000 };
  assertEquals(graceLeftMs({ ...stopping, forMs: 1000, leaseMs: 9000 }), 2000);
  assertEquals(graceLeftMs({ ...stopping, forMs: 0, leaseMs: 2500 }), 1500);
  assertEquals(graceLeftMs({ ...stopping, forMs: 0, leaseMs: 0 }), -1000);
});

Deno.test("the node stops its command before the watchdog does, and both before the lease can end", () => {
  for (const [grace, ttl] of [[0, 1000], [500, 5000], [10_000, 5000], [60_000, 60_000]] as const) {
    for (const left of [0.1, 0.5, 0.99].map((share) => share * ttl)) {
      const term: Pick<Term, "stopWithin"> = { stopWithin: () => left };
      const { stopMs, killMs } = watchdogDeadline(term, grace, ttl, 0);
      const nodeKills = stopMs +
        Math.max(0, graceLeftMs({ forMs: 0, leaseMs: left - stopMs, stopGraceMs: grace, ttlMs: ttl }));
      assertEquals(
        [stopMs <= nodeKills, nodeKills < killMs, killMs < left],
        [true, true, true],
        `${grace} ${ttl} ${left}`,
      );
    }
  }
});
