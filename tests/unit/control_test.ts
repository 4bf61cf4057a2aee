import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { freePort } from "../../dev/ports.ts";
import { tokenUrl, transferLeadership } from "../../cli/control.ts";
import { type ControlConfig, readControlConfig } from "../../cli/control_flags.ts";
import { UsageError } from "../../cli/flags.ts";
import { AskError } from "../../cli/inspect/ask.ts";
import type { NodeStatus } from "../../cli/inspect/node_answers.ts";
import { logControlRefusals } from "../../cli/node_log.ts";

const TOKEN = "a-long-enough-token";

const STATUS: NodeStatus = {
  node: "a",
  role: "follower",
  isLeader: false,
  leader: "b",
  url: "http://host-a:8080",
  version: "1.0.0",
  timestamp: 0,
};

Deno.test("the control token goes to the asked node, its host and trusted ones by the same scheme, nowhere else", () => {
  const allowed: [asked: string, leaderUrl: string, trusted?: string[]][] = [
    ["http://host-a:8080", "http://host-a:8081"],
    ["https://host-a:8080", "https://host-a"],
    ["http://localhost:8080", "http://127.0.0.1:8081"],
    ["http://127.0.0.1:8080", "http://[::1]:8081"],
    ["http://10.0.0.1:8080", "http://host-a:8081"],
    ["http://host-a:8080", "http://host-b:8080", ["host-c", "host-b"]],
    ["http://host-a:8080", "http://[fd00::1]:8080", ["[fd00::1]"]],
  ];
  for (const [asked, leaderUrl, trusted] of allowed) {
    assertEquals(tokenUrl(asked, { ...STATUS, leaderUrl }, trusted), leaderUrl);
  }
  const refused: [asked: string, leaderUrl: string, reason: string, trusted?: string[]][] = [
    ["https://host-a:8080", "http://host-a:8080", "but --url has https"],
    ["http://host-a:8080", "https://host-a:8080", "but --url has http"],
    ["https://host-a:8080", "http://host-b:8080", "but --url has https", ["host-b"]],
    ["http://host-a:8080", "http://host-b:8080", "another host"],
    ["http://host-a:8080", "http://host-a.evil:8080", "another host", ["host-b"]],
    ["http://localhost:8080", "http://127.0.0.1.evil:8080", "another host"],
    ["http://10.0.0.1:8080", "http://127.0.0.1:8080", "another host"],
  ];
  for (const [asked, leaderUrl, reason, trusted] of refused) {
    const error = assertThrows(() => tokenUrl(asked, { ...STATUS, leaderUrl }, trusted), AskError, reason);
    assertEquals(error.message.endsWith(`use --url ${leaderUrl}`), true);
  }
  // One that leads is asked where the operator pointed, whatever URL it has.
  assertEquals(tokenUrl("http://host-a", { ...STATUS, isLeader: true, leaderUrl: "http://evil" }), "http://host-a");
  assertThrows(() => tokenUrl("http://host-a", STATUS), AskError, "the leader, b, has no URL");
});

Deno.test("a leader that takes its time to hand over is not said to be out of reach", async () => {
  const answered = Promise.withResolvers<Response>();
  const status = { node: "b", role: "leader", is_leader: true, leader: "b", version: "1.0.0", timestamp: new Date(0) };
  await using server = Deno.serve({ port: 0, onListen() {} }, ({ method }) => {
    return method === "POST" ? answered.promise : Response.json(status);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const config: ControlConfig = { action: "resign", url, token: TOKEN, trustedHosts: [] };
  const error = await assertRejects(() => transferLeadership(config, 100), AskError)
    .finally(() => answered.resolve(new Response()));
  assertEquals(
    error.message,
    `no answer from the leader, b, at ${url} within 0.1 s: it is out of reach, or its command takes longer to stop; ` +
      "leader-node status tells who leads",
  );
  const nowhere = `http://127.0.0.1:${freePort()}`;
  Object.assign(status, { is_leader: false, leader_url: nowhere });
  const refused = `${nowhere}/resign cannot be reached: connection refused`;
  await assertRejects(() => transferLeadership(config), AskError, refused);
});

Deno.test("trusted hosts are host names and addresses", () => {
  const env = (name: string) => name === "LEADER_NODE_CONTROL_TOKEN" ? "long-enough" : undefined;
  const hosts = (text: string) => {
    const config = readControlConfig("resign", ["--trusted-hosts", text], env);
    return config === "help" ? undefined : config.trustedHosts;
  };
  assertEquals(hosts("Host-A, 10.0.0.2,fd00::1"), ["host-a", "10.0.0.2", "[fd00::1]"]);
  for (const wrong of ["a:80", "http://a", "a/b", "u@a", "a,", "a b"]) assertThrows(() => hosts(wrong), UsageError);
});

Deno.test("wrong control tokens are logged once in a second, with their number", () => {
  let time = 0;
  const lines: unknown[] = [];
  const refused = logControlRefusals((level, event, fields) => lines.push([level, event, fields]), () => time);
  for (time of [0, 1, 999, 1000, 1500, 5000]) refused({ request: "resign", remote: "10.0.0.9" });
  const fields = { request: "resign", remote: "10.0.0.9" };
  assertEquals(
    lines,
    [1, 3, 2].map((attempts) => ["warn", "control-refused", { ...fields, attempts }]),
  );
});
