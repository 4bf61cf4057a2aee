/** `deno run -A dev/release_notes.ts TAG`: prints what CHANGELOG.md says of a version, for the notes of its release. */
import denoJson from "../deno.json" with { type: "json" };

/** The version cannot be released as it is; the message is for the maintainer. */
export class NotesError extends Error {}

/**
 * The notes of the version that a tag names.
 *
 * @throws {NotesError} If the tag is not the version of the sources, or the change log has no dated section for it.
 */
export function notesOf(tag: string, version: string, changelog: string): string {
  if (tag !== `v${version}`) throw new NotesError(`the tag is ${tag}, the version in deno.json ${version}`);
  const section = changelog.split(/^## /m).find((section) => section.split(/[,\s]/, 1)[0] === version);
  if (section === undefined) throw new NotesError(`CHANGELOG.md has no section for ${version}`);
  const [heading, ...lines] = section.split("\n");
  if (!/^\S+, \d{4}-\d\d-\d\d$/.test(heading!)) {
    throw new NotesError(`CHANGELOG.md: expected "## ${version}, YYYY-MM-DD", found "## ${heading}"`);
  }
  const notes = lines.join("\n").trim();
  if (notes === "") throw new NotesError(`CHANGELOG.md says nothing of ${version}`);
  return notes;
}

if (import.meta.main) {
  try {
    const changelog = await Deno.readTextFile(new URL("../CHANGELOG.md", import.meta.url));
    console.log(notesOf(Deno.args[0] ?? "", denoJson.version, changelog));
  } catch (error) {
    if (!(error instanceof NotesError)) throw error;
    console.error(`release_notes: ${error.message}`);
    Deno.exit(1);
  }
}
