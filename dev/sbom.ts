/** `deno run -A dev/sbom.ts`: prints what an executable is made of, as CycloneDX: the runtime and the npm packages. */
import denoJson from "../deno.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import { Program } from "./program.ts";

/** What `deno info --json` says of a program. */
export interface ModuleGraph {
  readonly modules: readonly { readonly kind: string; readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
}

/** The packages of a lock file, with their hashes. */
export interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

const SELF = "leader-node";

/** The bill of materials of a program: what its modules import, and what that depends on. */
export function billOf({ modules, npmPackages }: ModuleGraph, { npm }: Lock, deno: string): object {
  const direct = [...new Set(modules.flatMap(({ npmPackage }) => npmPackage ?? []))].toSorted();
  const needed = new Set(direct);
  for (const key of needed) npmPackages[key]!.dependencies.forEach((key) => needed.add(key));
  const runtime = `pkg:github/denoland/deno@v${deno}`;
  const ref = (key: string) => purl(npmPackages[key]!);
  const keys = [...needed].toSorted();
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: { "bom-ref": SELF, type: "application", name: SELF, version: denoJson.version } },
    components: [
      { "bom-ref": runtime, type: "platform", name: "deno", version: deno, purl: runtime },
      ...keys.map((key) => ({
        "bom-ref": ref(key),
        type: "library",
        name: npmPackages[key]!.name,
        version: npmPackages[key]!.version,
        hashes: [{ alg: "SHA-512", content: sha512(npm[key]!.integrity) }],
        purl: ref(key),
      })),
    ],
    dependencies: [
      { ref: SELF, dependsOn: [runtime, ...direct.map(ref)] },
      ...keys.map((key) => ({ ref: ref(key), dependsOn: npmPackages[key]!.dependencies.map(ref) })),
    ],
  };
}

function purl({ name, version }: NpmPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The hash of an npm package, in hex. */
function sha512(integrity: string): string {
  return Uint8Array.fromBase64(/^sha512-(\S+)$/.exec(integrity)![1]!).toHex();
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const info = await Program.run(Deno.execPath(), ["info", "--json", "main.ts"], { cwd: fileURLToPath(root) });
  if (info.code !== 0) throw new Error(info.stderr);
  const lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", root)));
  console.log(JSON.stringify(billOf(JSON.parse(info.stdout), lock, Deno.version.deno), undefined, 2));
}
