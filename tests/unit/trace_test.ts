import { assertEquals } from "@std/assert";
import { handoff } from "../../dev/bench/trace.ts";

Deno.test("a trace shows a handoff from the signal to the first answer of the next leader", () => {
  const leader = `10 100.000000 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---
10 100.001000 write(4<anon_inode:[eventfd]>, "\\1\\0", 8) = 8
10 100.002000 sendto(26<TCP:[127.0.0.1:9->127.0.0.1:2379]>, "POST http://127.0.0.1:2379/v3/kv/txn HTTP/1.1\\r\\n"..., 901, 0, NULL, 0) = 901
11 100.003500 write(2</dev/null>, "2026-01-01T00:00:00.000Z INFO  a:8080 stopping signal=SIGTERM\\n", 64) = 64
`;
  const next = `20 99.990000 recvfrom(24<TCP:[127.0.0.1:8->127.0.0.1:2379]>, "early", 8192, 0, NULL, NULL) = 5
20 100.004000 recvfrom(24<TCP:[127.0.0.1:8->127.0.0.1:2379]>, "228\\r\\n", 8192, 0, NULL, NULL) = 560
20 100.004500 recvfrom(24<TCP:[127.0.0.1:8->127.0.0.1:2379]>, 0x1, 8192, 0, NULL, NULL) = -1 EAGAIN
20 100.006000 sendto(27<TCP:[127.0.0.1:8080->127.0.0.1:7]>, "HTTP/1.1 200 OK\\r\\n\\r\\nI am the leader\\n", 191, 0, NULL, 0) = 191
20 100.009000 recvfrom(24<TCP:[127.0.0.1:8->127.0.0.1:2379]>, "late", 8192, 0, NULL, NULL) = 4
`;
  const shown = handoff(leader, next, 2379).map(({ ms, node, what }) => `${ms.toFixed(1)} ${node}: ${what}`);
  assertEquals(shown, [
    "0.0 leader: SIGTERM arrives",
    "2.0 leader: /v3/kv/txn is sent",
    '3.5 leader: the line "stopping" is written',
    "4.0 next: 560 bytes come from etcd",
    '6.0 next: "I am the leader" is answered',
  ]);
});
