import ts from "typescript";

/**
 * Declarations in which each optional property may be undefined, too: the library is compiled without
 * `exactOptionalPropertyTypes`, so it gives and takes undefined; a user may have it on.
 */
export function withUndefined(declarations: string): string {
  const file = ts.createSourceFile("a.d.ts", declarations, ts.ScriptTarget.Latest);
  const types: ts.TypeNode[] = [];
  const visit = (node: ts.Node) => {
    if ((ts.isPropertySignature(node) || ts.isPropertyDeclaration(node)) && node.questionToken && node.type) {
      types.push(node.type);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  let text = declarations;
  // The last one first, the inner before the outer: earlier places stay where they are.
  const edits = types.flatMap((type) => [[type.getStart(file), "("], [type.end, ") | undefined"]] as const);
  for (const [at, what] of edits.sort(([a], [b]) => b - a)) text = text.slice(0, at) + what + text.slice(at);
  return text;
}
