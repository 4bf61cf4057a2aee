import { assertEquals, assertThrows } from "@std/assert";
import { tarHeader } from "../../dev/tar.ts";

/** The checksum in a header, and the one that it should have. */
function checksums(header: Uint8Array): [string, number] {
  const bytes = header.slice();
  const said = new TextDecoder().decode(bytes.slice(148, 154));
  bytes.fill(32, 148, 156);
  return [said, bytes.reduce((sum, byte) => sum + byte)];
}

Deno.test("a header of an archive has its fields where POSIX puts them", () => {
  const header = tarHeader({ name: "main.js", size: 1000, mode: 0o644 });
  const text = new TextDecoder("latin1").decode(header).replaceAll("\0", ".");
  assertEquals(header.length, 512);
  assertEquals(text.slice(0, 8), "main.js.");
  assertEquals(text.slice(100, 148), "0000644.0000000.0000000.00000001750.00000000000.");
  assertEquals(text.slice(156, 265), `0${".".repeat(100)}ustar.00`);
  const [said, sum] = checksums(header);
  assertEquals(Number.parseInt(said, 8), sum);
});

Deno.test("a name that does not fit is refused", () => {
  for (const name of ["", "x".repeat(100), "ü"]) assertThrows(() => tarHeader({ name, size: 0, mode: 0 }), RangeError);
});
