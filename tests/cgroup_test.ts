import { assert, assertEquals } from "@std/assert";
import { Cgroup, mayDivide, parsePlace } from "../supervise/cgroup.ts";
import { lives, Pids, TreeHost } from "./support/tree.ts";

const MOUNTS = {
  unified: "25 30 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
  hybrid: "33 32 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
    "42 32 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
  bound: "25 30 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
};

Deno.test("the control group of a process is found where it is mounted", () => {
  const service = "/system.slice/leader-node.service";
  assertEquals(parsePlace(`0::${service}\n`, MOUNTS.unified), { folder: `/sys/fs/cgroup${service}`, path: service });
  assertEquals(parsePlace("0::/\n", MOUNTS.unified), { folder: "/sys/fs/cgroup", path: "/" });
  assertEquals(parsePlace("9:name=systemd:/a\n0::/b\n", MOUNTS.hybrid), {
    folder: "/sys/fs/cgroup/unified/b",
    path: "/b",
  });
  assertEquals(parsePlace("0::/docker/abc/x\n", MOUNTS.bound), { folder: "/sys/fs/cgroup/x", path: "/docker/abc/x" });
  assertEquals(parsePlace("0::/docker/abc\n", MOUNTS.bound), { folder: "/sys/fs/cgroup", path: "/docker/abc" });
  assertEquals(parsePlace("0::/docker/abcd\n", MOUNTS.bound), undefined);
  assertEquals(parsePlace("0::/../other\n", MOUNTS.unified), undefined);
  assertEquals(parsePlace("4:memory:/a\n", MOUNTS.unified), undefined);
  assertEquals(parsePlace("0::/a\n", ""), undefined);
});

Deno.test("groups are made where they were delegated, or in a container's own, and never among a service manager's", () => {
  const service = { folder: "/sys/fs/cgroup/system.slice/a.service", path: "/system.slice/a.service" };
  const top = { folder: "/sys/fs/cgroup", path: "/" };
  assertEquals(mayDivide(service, 0, () => false), false);
  assertEquals(mayDivide(service, 0, () => true), true);
  assertEquals(mayDivide(top, 0, () => false), true);
  // Whether others may is for the kernel to say.
  assertEquals(mayDivide(service, 1000, () => false), true);
});

Deno.test("where a group cannot be made, or not be killed, there is none, and nothing is left", async () => {
  const folder = await Deno.makeTempDir();
  const place = { folder, path: "/" };
  assertEquals(Cgroup.create("leader-node-x", { folder: `${folder}/none`, path: "/" }), undefined);
  // Not a file system of control groups: there is no cgroup.kill in the new folder.
  assertEquals(Cgroup.create("leader-node-x", place), undefined);
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});

const probe = Cgroup.create(`leader-node-${crypto.randomUUID()}`);
probe?.remove();

Deno.test({
  name: "a control group has and kills all that a command starts, where this machine lets us make one",
  ignore: !probe,
  async fn() {
    await using pids = await Pids.create();
    // Neither parents nor marks lead to what has left.
    await using host = await TreeHost.start({ subreaper: false, cgroup: `leader-node-${crypto.randomUUID()}` });
    const first = "until [ -e go ]; do sleep 0.01; done";
    await host.spawn("sh", "-c", `cd ${pids.word}; ${first}; (env -i setsid ${pids.sleeper("away")} &); exit 0`);
    await Deno.writeTextFile(`${pids.folder}/go`, "");
    const away = await pids.of("away");
    assert((await host.state()).cgroup!.includes(away));
    assertEquals((await host.look()).map(({ pid }) => pid), [away]);
    await host.endAll();
    assert(!lives(away));
    assertEquals((await host.state()).cgroup, []);
  },
});
