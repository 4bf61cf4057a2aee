/** The top of the repository. */
export const ROOT = new URL("../../", import.meta.url);

/** What is made, not written: never part of the repository. Other tests make examples, for a moment. */
const MADE = /^(\.git|dist|leader-node|node_modules|npm|.*\.example\.ts)$/;

/** The paths of all files of the repository, from its top. */
export function repositoryFiles(folder = ""): string[] {
  return [...Deno.readDirSync(new URL(folder || ".", ROOT))].flatMap(({ name, isDirectory }) => {
    if (MADE.test(name)) return [];
    return isDirectory ? repositoryFiles(`${folder}${name}/`) : [folder + name];
  });
}

/** A file of the repository as text. */
export function readText(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

/** Markdown without what stands in fenced code, with as many lines. */
export function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^ *```.*?^ *```$/gms, (code) => code.replaceAll(/[^\n]/g, ""));
}
