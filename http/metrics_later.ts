import type { NodeSource } from "./answers.ts";
import type { Metrics } from "./metrics.ts";

/** Metrics that are loaded when somebody asks or when there is time: they shall not hold up the start. */
export class MetricsLater {
  readonly #election: string;
  readonly #source: () => NodeSource;
  #loading: Promise<Metrics> | undefined;
  #loaded: Metrics | undefined;
  #told: ((metrics: Metrics) => void)[] = [];

  constructor(election: string, source: () => NodeSource) {
    this.#election = election;
    this.#source = source;
  }

  load(): Promise<Metrics> {
    this.#loading ??= import("./metrics.ts").then(({ Metrics }) => {
      this.#loaded = new Metrics(this.#election, this.#source);
      for (const tell of this.#told) tell(this.#loaded);
      this.#told = [];
      return this.#loaded;
    });
    return this.#loading;
  }

  /** Tells the metrics something, now or when they are there. */
  tell(what: (metrics: Metrics) => void): void {
    if (this.#loaded) what(this.#loaded);
    else this.#told.push(what);
  }
}
