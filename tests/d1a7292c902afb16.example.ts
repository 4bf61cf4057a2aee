import { Etcd3 } from "etcd3";
import { Election } from "file:///tmp/wt-wire/election/mod.ts";

const etcd = new Etcd3({ hosts: "http://127.0.0.1:20305" });
await using election = new Election({ name: "jobs", endpoints: ["http://127.0.0.1:20305"] });
for await (const state of election) {
  if (state.role !== "leader") continue;
  const { succeeded } = await etcd.if(...state.term.guard).then(etcd.put("report").value("42")).commit();
  console.log(succeeded ? "written" : "refused: somebody else leads");
  break;
}
etcd.close();
