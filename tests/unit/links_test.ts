import { assert, assertEquals } from "@std/assert";
import { readText, repositoryFiles, ROOT, withoutCode } from "../support/repository.ts";

/** The text of a link, which may hold an image, and what it leads to. */
const LINK = /\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g;

/** A path in code that names a file of one of the top folders. */
const NAMED_FILE = /`((?:cli|deps|dev|docs|election|examples|http|nodejs|supervise|tests)\/[\w./-]+\.\w+)`/g;

interface Reference {
  readonly from: string;
  readonly to: string;
}

const files = repositoryFiles();
const documents = new Map(
  await Promise.all(
    files.filter((path) => path.endsWith(".md")).map(async (path) => {
      return [path, withoutCode(await readText(path))] as const;
    }),
  ),
);

Deno.test("every relative link of a document leads to a file, and to a heading in it", () => {
  const links = references(LINK, (text) => text.replaceAll(/`[^`\n]*`/g, "code"));
  assert(links.length > 50, `found only ${links.length} links`);
  const local = links.filter(({ to }) => !/^[a-z][a-z0-9+.-]*:/i.test(to));
  assertEquals(local.filter(isBroken).map(shown), []);
});

Deno.test("every file that a document names exists", () => {
  const named = references(NAMED_FILE, (text) => text);
  assert(named.length > 0);
  assertEquals(named.filter(({ to }) => !files.includes(to)).map(shown), []);
});

Deno.test("the index of the documentation leads to every document in docs/, and the README to the index", () => {
  const linked = new Set(
    references(LINK, (text) => text).map(({ from, to }) => {
      return `${from} ${new URL(to, new URL(from, ROOT)).href.replace(/#.*/, "").slice(ROOT.href.length)}`;
    }),
  );
  const pages = files.filter((path) => /^docs\/.*\.(md|yaml)$/.test(path) && path !== "docs/README.md");
  assertEquals(pages.filter((path) => !linked.has(`docs/README.md ${path}`)), []);
  assert(linked.has("README.md docs/README.md"));
});

Deno.test("headings have the anchors that GitHub gives them", () => {
  const headings = "# It's `a.ts`, and *more*\n\n## [A link](b.md)\n\n## Same\n\n## Same\n\n## snake_case: two - three";
  assertEquals(anchors(headings), ["its-ats-and-more", "a-link", "same", "same-1", "snake_case-two---three"]);
});

function references(pattern: RegExp, prepare: (text: string) => string): Reference[] {
  return [...documents].flatMap(([from, text]) =>
    [...prepare(text).matchAll(pattern)].map(([, to]) => ({ from, to: to! }))
  );
}

function isBroken({ from, to }: Reference): boolean {
  const target = new URL(to, new URL(from, ROOT));
  if (!target.href.startsWith(ROOT.href)) return true;
  const path = decodeURIComponent(target.pathname.slice(ROOT.pathname.length));
  const exists = path === "" ||
    (path.endsWith("/") ? files.some((file) => file.startsWith(path)) : files.includes(path));
  if (!exists || target.hash === "") return !exists;
  const document = documents.get(path);
  return document === undefined || !anchors(document).includes(decodeURIComponent(target.hash.slice(1)));
}

/** The anchors of a document's headings, in order. */
function anchors(markdown: string): string[] {
  const seen = new Map<string, number>();
  return [...markdown.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => {
    const text = heading!.replaceAll(LINK, (link) => link.slice(1, link.indexOf("](")));
    const anchor = text.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

function shown({ from, to }: Reference): string {
  return `${from}: ${to}`;
}
