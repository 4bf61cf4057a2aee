import { assertEquals } from "@std/assert";
import { withUndefined } from "../../dev/optional_types.ts";

Deno.test("optional properties may be undefined, nested ones and functions, too; others stay as they are", () => {
  assertEquals(
    withUndefined(
      "export interface A {\n    a?: () => void;\n    readonly b?: {\n        c?: D;\n    };\n    e: F;\n}",
    ),
    "export interface A {\n    a?: (() => void) | undefined;\n    readonly b?: ({\n        c?: (D) | undefined;\n    }) | undefined;\n    e: F;\n}",
  );
  const parameters = "export declare class A {\n    a(b?: C): void;\n}";
  assertEquals(withUndefined(parameters), parameters);
});
