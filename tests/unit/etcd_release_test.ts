import { assertEquals } from "@std/assert";
import { isUsable } from "../../dev/etcd_from_apt.ts";
import { releaseName, sumIn, tarFor } from "../../dev/etcd_release.ts";

Deno.test("a release has one archive for each system and processor", () => {
  const cases: [os: typeof Deno.build.os, arch: string, file: string | undefined][] = [
    ["linux", "x86_64", "etcd-v3.5.33-linux-amd64.tar.gz"],
    ["linux", "aarch64", "etcd-v3.5.33-linux-arm64.tar.gz"],
    ["linux", "s390x", "etcd-v3.5.33-linux-s390x.tar.gz"],
    ["darwin", "x86_64", "etcd-v3.5.33-darwin-amd64.zip"],
    ["darwin", "aarch64", "etcd-v3.5.33-darwin-arm64.zip"],
    ["windows", "x86_64", "etcd-v3.5.33-windows-amd64.zip"],
    ["windows", "aarch64", "etcd-v3.5.33-windows-amd64.zip"],
    ["freebsd", "x86_64", undefined],
  ];
  for (const [os, arch, file] of cases) {
    assertEquals(releaseName({ version: "3.5.33", os, arch })?.join(""), file);
  }
});

Deno.test("on Windows the system's own tar unpacks a release, not that of Git's shell", () => {
  const env: Record<string, string> = { SystemRoot: "D:\\Windows" };
  assertEquals(tarFor("windows", (name) => env[name]), "D:\\Windows\\System32\\tar.exe");
  assertEquals(tarFor("windows", () => undefined), "C:\\Windows\\System32\\tar.exe");
  assertEquals([tarFor("linux", () => undefined), tarFor("darwin", () => undefined)], ["tar", "tar"]);
});

Deno.test("the sum of a file is that of its own line", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  const list = `${a}  etcd.tar.gz.asc\r\n${b}  etcd.tar.gz\n${a} *etcd.zip\n`;
  assertEquals([sumIn(list, "etcd.tar.gz"), sumIn(list, "etcd.zip"), sumIn(list, "tcd.zip")], [b, a, undefined]);
});

Deno.test("packages of etcd before 3.4 are not used", () => {
  const files = ["etcd-server_3.4.23-4+b4_amd64.deb", "etcd-client_1%3a3.5.16-4_arm64.deb", "etcd-server_4.0_all.deb"];
  assertEquals(files.map(isUsable), [true, true, true]);
  assertEquals(["etcd-server_3.2.26+dfsg-6_amd64.deb", "etcd_3.5.0_all.deb"].map(isUsable), [false, false]);
});
