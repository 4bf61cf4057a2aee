type Os = typeof Deno.build.os;

/** Where a program may be, by the value of `PATH`. */
export function placesOf(program: string, path: string, os: Os): string[] {
  const [separator, slash, endings] = os === "windows" ? [";", "\\", [".exe", ".cmd"]] : [":", "/", [""]];
  const folders = path.split(separator).filter((folder) => folder !== "");
  return folders.flatMap((folder) => endings.map((ending) => `${folder}${slash}${program}${ending}`));
}

/** A program in the folder of another one. */
export function beside(path: string, program: string, os: Os = Deno.build.os): string {
  return os === "windows" ? path.replace(/[^/\\]*$/, `${program}.exe`) : path.replace(/[^/]*$/, program);
}

/** The path of a program on the `PATH`, if it is there. */
export function onPath(program: string): string | undefined {
  return placesOf(program, Deno.env.get("PATH") ?? "", Deno.build.os).find(isFile);
}

/** Whether there is such a file. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
