import ts from "typescript";

/** One small change of the source. */
export interface Mutant {
  /** The path from the root. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  /** What stands there, and what instead, on one line each. */
  readonly was: string;
  readonly became: string;
  readonly replacement: string;
  /** What tells it from others, also when lines have moved: its file, the text of its line, what changes. */
  readonly key: string;
}

/** A change within one node: from `start` to `end`, else all of it. */
interface Change {
  readonly kind: string;
  readonly replacement: string;
  readonly start?: number;
  readonly end?: number;
}

const { SyntaxKind: Kind } = ts;

/** What an operator becomes: a boundary, and its opposite. */
const OPERATORS: ReadonlyMap<ts.SyntaxKind, readonly [kind: string, operator: string][]> = new Map([
  [Kind.LessThanToken, [["boundary", "<="], ["operator", ">="]]],
  [Kind.LessThanEqualsToken, [["boundary", "<"], ["operator", ">"]]],
  [Kind.GreaterThanToken, [["boundary", ">="], ["operator", "<="]]],
  [Kind.GreaterThanEqualsToken, [["boundary", ">"], ["operator", "<"]]],
  [Kind.EqualsEqualsEqualsToken, [["operator", "!=="]]],
  [Kind.ExclamationEqualsEqualsToken, [["operator", "==="]]],
  [Kind.PlusToken, [["operator", "-"]]],
  [Kind.MinusToken, [["operator", "+"]]],
  [Kind.AsteriskToken, [["operator", "/"]]],
  [Kind.AsteriskAsteriskToken, [["operator", "*"]]],
  [Kind.SlashToken, [["operator", "*"]]],
  [Kind.PlusEqualsToken, [["operator", "-="]]],
  [Kind.AmpersandToken, [["operator", "|"]]],
  [Kind.GreaterThanGreaterThanToken, [["operator", "<<"]]],
]);

/** Two arms of which each alone is a mutant. */
const ARMS: ReadonlySet<ts.SyntaxKind> = new Set([
  Kind.AmpersandAmpersandToken,
  Kind.BarBarToken,
  Kind.QuestionQuestionToken,
]);

/** Methods that become another one. */
const SWAPPED: ReadonlyMap<string, string> = new Map(Object.entries({
  min: "max",
  max: "min",
  some: "every",
  every: "some",
  find: "findLast",
  indexOf: "lastIndexOf",
  lastIndexOf: "indexOf",
}));

/** Methods that may be left out. */
const OMITTED = ["filter", "slice", "replace", "then"];

/** All mutants of a file that can be parsed, in its order; not all of them have sound types. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const lines = source.split("\n");
  const found: Mutant[] = [];
  const numbers = new Map<string, number>();
  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
    for (const { kind, replacement, start = node.getStart(), end = node.end } of changesOf(node, tree)) {
      const { line } = tree.getLineAndCharacterOfPosition(start);
      const [was, became] = [oneLine(source.slice(start, end)), oneLine(replacement) || "nothing"];
      const unnumbered = `${file} | ${lines[line]!.trim()} | [${kind}] ${was} => ${became}`;
      const number = (numbers.get(unnumbered) ?? 0) + 1;
      numbers.set(unnumbered, number);
      const key = number > 1 ? `${unnumbered} (${number})` : unnumbered;
      found.push({ file, line: line + 1, kind, start, end, was, became, replacement, key });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The source with a mutant in it. */
export function applyMutant(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

function oneLine(code: string): string {
  const line = code.replaceAll(/\s+/g, " ").trim();
  return line.length > 80 ? line.slice(0, 80) + "…" : line;
}

function* changesOf(node: ts.Node, tree: ts.SourceFile): Generator<Change> {
  if (ts.isExpression(node)) yield* changesOfExpression(node, tree);
  if (ts.isIfStatement(node) || ts.isWhileStatement(node)) yield* conditions(node.expression);
  else if (ts.isReturnStatement(node)) yield* changesOfReturn(node);
  else if (ts.isExpressionStatement(node) || ts.isBreakStatement(node) || ts.isThrowStatement(node)) {
    yield { kind: "statement dropped", replacement: ";" };
  } else if (ts.isCaseOrDefaultClause(node)) {
    yield { kind: "case dropped", replacement: "" };
  } else if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) {
    yield { kind: "property dropped", ...withComma(node, tree) };
    const isUndefined = ts.isPropertyAssignment(node) && node.initializer.getText() === "undefined";
    if (!isUndefined) yield { kind: "property undefined", replacement: `${node.name.getText()}: undefined as never` };
  } else if (ts.isSpreadAssignment(node)) yield { kind: "spread dropped", ...withComma(node, tree) };
}

function* changesOfExpression(node: ts.Expression, tree: ts.SourceFile): Generator<Change> {
  if (ts.isBinaryExpression(node)) {
    const { left, right, operatorToken } = node;
    const [start, end] = [operatorToken.getStart(), operatorToken.end];
    for (const [kind, operator] of OPERATORS.get(operatorToken.kind) ?? []) {
      yield { kind, replacement: operator, start, end };
    }
    if (ARMS.has(operatorToken.kind)) {
      for (const arm of [left, right]) yield { kind: "operand dropped", replacement: `(${arm.getText()})` };
    }
  } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    if (node.operator === Kind.ExclamationToken) yield { kind: "negation", replacement: `(${node.operand.getText()})` };
    if (node.operator === Kind.MinusToken) yield { kind: "sign", replacement: `(${node.operand.getText()})` };
    if (node.operator === Kind.PlusPlusToken) yield { kind: "operator", replacement: `${node.operand.getText()}--` };
  } else if (ts.isConditionalExpression(node)) yield* conditions(node.condition);
  else if (ts.isNumericLiteral(node)) yield* constants(Number(node.text));
  else if (ts.isBigIntLiteral(node)) {
    yield { kind: "constant", replacement: `${BigInt(node.text.slice(0, -1)) + 1n}n` };
  } else if (ts.isStringLiteral(node)) yield { kind: "string", replacement: `("mutant" as never)` };
  else if (node.kind === Kind.TrueKeyword) yield { kind: "constant", replacement: "false" };
  else if (node.kind === Kind.FalseKeyword) yield { kind: "constant", replacement: "true" };
  else if (ts.isRegularExpressionLiteral(node)) yield* anchors(node.text);
  else if (ts.isArrayLiteralExpression(node)) {
    for (const element of node.elements) yield { kind: "element dropped", ...withComma(element, tree) };
  } else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
    const { body } = node;
    yield { kind: "arrow body", replacement: "(undefined as never)", start: body.getStart(), end: body.end };
  } else if (ts.isCallExpression(node)) yield* changesOfCall(node);
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
    const mark = node.questionDotToken;
    const became = ts.isPropertyAccessExpression(node) ? "!." : "!";
    if (mark) yield { kind: "optional chain", replacement: became, start: mark.getStart(), end: mark.end };
  }
  yield* timesOf(node);
}

function* changesOfCall(node: ts.CallExpression): Generator<Change> {
  const { expression: called, arguments: given } = node;
  if (!ts.isPropertyAccessExpression(called)) return;
  const name = called.name.text;
  if (called.expression.getText() === "Math") {
    for (const arm of given) yield { kind: "min/max arm", replacement: `(${arm.getText()})` };
  }
  const swapped = SWAPPED.get(name);
  if (swapped) yield { kind: "call", replacement: swapped, start: called.name.getStart(), end: called.name.end };
  if (OMITTED.includes(name)) yield { kind: "call dropped", replacement: called.expression.getText() };
}

function* changesOfReturn(node: ts.ReturnStatement): Generator<Change> {
  if (!node.expression) return yield { kind: "statement dropped", replacement: ";" };
  const text = node.expression.getText();
  if (text !== "undefined") yield { kind: "return", replacement: "return undefined as never;" };
  if (text !== "core" && parametersAround(node).includes("core")) {
    yield { kind: "return", replacement: "return core as never;" };
  }
}

/** Another point in time, another TTL: what is easily taken for the right one. */
function* timesOf(node: ts.Expression): Generator<Change> {
  const text = node.getText();
  if (ts.isPropertyAccessExpression(node)) {
    const name = node.name.text;
    if (name === "sentAt") yield { kind: "moment", replacement: "now" };
    if (name === "ttlMs" && !/\bsettings\.ttlMs$/.test(text)) yield { kind: "ttl", replacement: "core.settings.ttlMs" };
    const { parent } = node;
    const isTwin = ts.isBinaryExpression(parent) && /^\w+\.(monotonic|wall)$/.test(text);
    const other = name === "wall" ? "monotonic" : "wall";
    if (isTwin) yield { kind: "clock", replacement: `${node.expression.getText()}.${other}` };
  } else if (text === "now" && ts.isIdentifier(node) && isValue(node)) {
    for (const sent of ["event.sentAt", "lease.sentAt"]) yield { kind: "moment", replacement: sent };
  } else if (text === "ttlMs" && ts.isIdentifier(node) && isValue(node)) {
    yield { kind: "ttl", replacement: "core.settings.ttlMs" };
  }
}

/** Whether an identifier is a value here, not a name. */
function isValue(node: ts.Identifier): boolean {
  const { parent } = node;
  return ts.isCallExpression(parent) || ts.isBinaryExpression(parent) ||
    (ts.isPropertyAssignment(parent) && parent.initializer === node);
}

function* conditions(condition: ts.Expression): Generator<Change> {
  const [start, end, text] = [condition.getStart(), condition.end, condition.getText()];
  for (const value of ["true", "false"]) {
    yield { kind: "condition", replacement: `(${value} as boolean)`, start, end };
  }
  yield { kind: "condition", replacement: `!(${text})`, start, end };
}

function* constants(value: number): Generator<Change> {
  const near = Number.isInteger(value) ? [value + 1, value === 0 ? 1000 : value - 1] : [value * 2, value / 2];
  for (const other of near) yield { kind: "constant", replacement: String(other) };
}

function* anchors(regex: string): Generator<Change> {
  if (regex.startsWith("/^")) yield { kind: "regex", replacement: `/${regex.slice(2)}` };
  if (/\$\/\w*$/.test(regex)) yield { kind: "regex", replacement: regex.replace(/\$(\/\w*)$/, "$1") };
}

/** Where an element of a list stands, with the comma that follows. */
function withComma(node: ts.Node, tree: ts.SourceFile): Pick<Change, "replacement" | "end"> {
  const comma = /^\s*,/.exec(tree.text.slice(node.end))?.[0] ?? "";
  return { replacement: "", end: node.end + comma.length };
}

function parametersAround(node: ts.Node): string[] {
  const around = ts.findAncestor(node, ts.isFunctionLike);
  return around?.parameters.map(({ name }) => name.getText()) ?? [];
}
