import { assertEquals } from "@std/assert";
import { beside, placesOf } from "../../dev/search_path.ts";

Deno.test("programs are looked for in the folders of PATH, on Windows also as .exe and .cmd", () => {
  assertEquals(placesOf("npm", "/usr/bin::/b c", "linux"), ["/usr/bin/npm", "/b c/npm"]);
  assertEquals(placesOf("npm", "/usr/bin", "darwin"), ["/usr/bin/npm"]);
  assertEquals(placesOf("npm", "C:\\Windows;;D:\\b c", "windows"), [
    "C:\\Windows\\npm.exe",
    "C:\\Windows\\npm.cmd",
    "D:\\b c\\npm.exe",
    "D:\\b c\\npm.cmd",
  ]);
  assertEquals(placesOf("npm", "", "linux"), []);
});

Deno.test("etcdctl is looked for beside etcd", () => {
  assertEquals(beside("/opt/etcd v3/etcd", "etcdctl", "linux"), "/opt/etcd v3/etcdctl");
  assertEquals(beside("etcd", "etcdctl", "darwin"), "etcdctl");
  assertEquals(beside("C:\\etcd\\etcd.exe", "etcdctl", "windows"), "C:\\etcd\\etcdctl.exe");
  assertEquals(beside("C:/etcd/etcd.exe", "etcdctl", "windows"), "C:/etcd/etcdctl.exe");
});
