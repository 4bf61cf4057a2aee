import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/flags.ts";
import { ownIdentity } from "../../cli/identity.ts";

const TLS = { cert: "", key: "" };

Deno.test("the id has the machine's name also on loopback, and the URL is what is bound", () => {
  const cases: [hostname: string, id: string, url: string][] = [
    ["0.0.0.0", "Host-A:8080", "http://host-a:8080"],
    ["::", "Host-A:8080", "http://host-a:8080"],
    ["127.0.0.1", "Host-A:8080", "http://127.0.0.1:8080"],
    ["127.0.0.9", "Host-A:8080", "http://127.0.0.9:8080"],
    ["::1", "Host-A:8080", "http://[::1]:8080"],
    ["localhost", "Host-A:8080", "http://localhost:8080"],
    ["10.0.0.5", "10.0.0.5:8080", "http://10.0.0.5:8080"],
    ["fd00::5", "[fd00::5]:8080", "http://[fd00::5]:8080"],
    ["node-b.example", "node-b.example:8080", "http://node-b.example:8080"],
  ];
  for (const [hostname, id, url] of cases) assertEquals(ownIdentity({ hostname }, 8080, () => "Host-A"), { id, url });
  const https = ownIdentity({ hostname: "0.0.0.0", httpTls: TLS }, 443, () => "host-a");
  assertEquals(https, { id: "host-a:443", url: "https://host-a" });
});

Deno.test("the machine's name is asked for only where it is needed", () => {
  const never = () => {
    throw new Error("asked");
  };
  const given = { id: "a", advertiseUrl: "http://a" };
  assertEquals(ownIdentity({ hostname: "0.0.0.0", ...given }, 1, never), { id: "a", url: "http://a" });
  assertEquals(ownIdentity({ hostname: "127.0.0.1", id: "a" }, 1, never).url, "http://127.0.0.1:1");
  assertEquals(ownIdentity({ hostname: "10.0.0.5" }, 1, never).id, "10.0.0.5:1");
});

Deno.test("a name or an address that makes no URL is refused in a line that says what to set", () => {
  const refused = (hostname: string, machine: string, message: string, id?: string) =>
    assertThrows(() => ownIdentity({ hostname, id }, 8080, () => machine), UsageError, message);
  refused("0.0.0.0", "", "this machine has no host name; set another one, or --advertise-url");
  refused("127.0.0.1", "", "this machine has no host name; set another one, or --id");
  for (const name of ["a b", "a/b", "a@b", "a#b", "a?b", "a:b", "123456789012", "10.0.0.1", "a\nb", "x".repeat(300)]) {
    refused("0.0.0.0", name, "makes no URL; set another one, or --advertise-url", "a");
  }
  refused("fe80::1%eth0", "a", "the address of --hostname makes no URL; set --advertise-url");
});
