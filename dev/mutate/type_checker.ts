import ts from "typescript";

/** Where what `deno types` prints is found. */
const LIBRARY = "/deno.d.ts";
/** What that lacks. */
const TIMERS = `
declare function setTimeout(run: () => void, delay?: number): number;
declare function clearTimeout(timer?: number): void;
`;

/** Checks the types of changed files in this process; `deno check` would take a second for each. */
export class TypeChecker {
  readonly #changed = new Map<string, { readonly text: string; readonly version: number }>();
  readonly #texts = new Map<string, string | undefined>();
  readonly #service: ts.LanguageService;
  #version = 0;

  private constructor(root: string, files: readonly string[], library: string) {
    const paths = files.map((file) => root + file);
    this.#texts.set(LIBRARY, library);
    const read = (path: string) => this.#changed.get(path)?.text ?? this.#read(path);
    const options: ts.CompilerOptions = {
      strict: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      lib: ["lib.esnext.d.ts"],
      allowImportingTsExtensions: true,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      moduleDetection: ts.ModuleDetectionKind.Force,
      target: ts.ScriptTarget.ESNext,
      skipLibCheck: true,
      types: [],
    };
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => [LIBRARY, ...paths],
      getScriptVersion: (path) => String(this.#changed.get(path)?.version ?? 0),
      getScriptSnapshot: (path) => {
        const text = read(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
      fileExists: (path) => read(path) !== undefined,
      readFile: read,
    });
  }

  /** A checker for these files, by their paths from the root. */
  static async load(root: string, files: readonly string[]): Promise<TypeChecker> {
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
    return new TypeChecker(root, files, new TextDecoder().decode(stdout) + TIMERS);
  }

  /** The errors in a file, with this text in place of its own. */
  errors(path: string, text: string): string[] {
    this.#changed.set(path, { text, version: ++this.#version });
    try {
      return [...this.#service.getSyntacticDiagnostics(path), ...this.#service.getSemanticDiagnostics(path)]
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
    } finally {
      this.#changed.delete(path);
    }
  }

  #read(path: string): string | undefined {
    if (!this.#texts.has(path)) this.#texts.set(path, readIfThere(path));
    return this.#texts.get(path);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
