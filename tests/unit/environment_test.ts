import { assertEquals } from "@std/assert";
import { environmentWithout } from "../../dev/environment.ts";

Deno.test("variables of another etcd are left out, on Windows in any case", () => {
  const env = { ETCD_NAME: "a", etcd_name: "b", METCD_: "c", Path: "d" };
  assertEquals(environmentWithout(/^ETCD_/, env, "linux"), { etcd_name: "b", METCD_: "c", Path: "d" });
  assertEquals(environmentWithout(/^ETCD_/, env, "windows"), { METCD_: "c", Path: "d" });
});
