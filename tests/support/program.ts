import { Program as AnyProgram, type StartOptions } from "../../dev/program.ts";
import { onPath } from "../../dev/search_path.ts";
import { within } from "./until.ts";

export { freePort } from "../../dev/ports.ts";

/** Whether a program is on the `PATH`. */
export function hasProgram(name: string): boolean {
  return onPath(name) !== undefined;
}

/** A program of a test. */
export class Program extends AnyProgram {
  static override start(name: string, args: readonly string[] = [], options: StartOptions = {}): Program {
    return new Program(name, args, options);
  }

  /** Asks again and again until the answer is yes; for programs that cannot be awaited in another way. */
  async until(what: string, yes: () => Promise<boolean>, ms = 20_000): Promise<void> {
    let late = false;
    const ask = async () => {
      while (!late && !await yes()) {
        if (this.ended) throw new Error(`${this.name} has ended: ${this.output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    try {
      await within(ms, what, ask());
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.output.slice(-2000)}`);
    } finally {
      late = true;
    }
  }
}
