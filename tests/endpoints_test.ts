import { assertEquals } from "@std/assert";
import { freePort, LocalEtcd } from "../dev/local_etcd.ts";
import { Candidate } from "./support/candidate.ts";
import { leads } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";

Deno.test("an IPv6 address is an endpoint like any other", async () => {
  const port = freePort();
  const flags = ["--listen-client-urls", `http://127.0.0.1:${port},http://[::1]:${port}`];
  await using etcd = await LocalEtcd.start({ port, flags });
  const a = new Candidate(etcd, "a", { endpoints: [`http://[::1]:${port}`] });
  await leads(a);
  await a.stop();
});

Deno.test("a learner in the list is passed over", async () => {
  await using voter = await LocalEtcd.start();
  const peerPort = freePort();
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const { members: [{ name, peerURLs }] } = JSON.parse(await voter.ctl("member", "list", "-w", "json"));
  await voter.ctl("member", "add", "learner", "--learner", `--peer-urls=${peerUrl}`);
  await using learner = await LocalEtcd.start({
    // deno-fmt-ignore
    flags: [
      "--name", "learner", "--initial-cluster-state", "existing",
      "--initial-cluster", `${name}=${peerURLs[0]},learner=${peerUrl}`,
      "--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl,
    ],
  });
  const a = new Candidate(voter, "a", { endpoints: [learner.endpoint, voter.endpoint] });
  await leads(a);
  await a.stop();
});

Deno.test("an endpoint that refuses everything is left, though what it says would be the cluster's word", async () => {
  // The members of another cluster, in a list that somebody has mixed up.
  await using stranger = await LocalEtcd.start();
  await askForUsers(stranger, { user: "worker", kind: "read", prefix: "jobs/" });
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", {
    endpoints: [stranger.endpoint, etcd.endpoint],
    user: { name: "worker", password: "guessed" },
  });
  await leads(a);
  await a.sees(/^a$/);
  await a.stop();
});

Deno.test("a learner that refuses by another code, as those of etcd 3.6, is passed over by HTTP", async () => {
  await using etcd = await LocalEtcd.start();
  const answer = { code: 9, message: "etcdserver: rpc not supported for learner", details: [] };
  let asked = 0;
  await using learner = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return Response.json(answer, { status: 400 });
  });
  const endpoints = [`http://127.0.0.1:${learner.addr.port}`, etcd.endpoint];
  const a = new Candidate(etcd, "a", { transport: "gateway", endpoints });
  await leads(a);
  await a.sees(/^a$/);
  await a.stop();
  // The calls and the watch each find out once, and never ask it again.
  assertEquals(asked, 2);
});
