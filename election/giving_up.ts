import { NotElectedError } from "./errors.ts";
import type { Participant } from "./participant.ts";
import { timeout, type WaitOptions } from "./ready.ts";

/** Stops a participant when its caller waits no longer: when `signal` fires, or `wait` is over. */
export class GivingUp {
  readonly #participant: Participant;
  readonly #options: WaitOptions;
  readonly #stop = () => void this.#participant.stop();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #late = false;
  #problem: string | undefined;

  constructor(participant: Participant, options: WaitOptions) {
    this.#participant = participant;
    this.#options = options;
    this.waitAnew();
    options.signal?.addEventListener("abort", this.#stop);
    if (options.signal?.aborted) this.#stop();
  }

  /** From now on, `wait` counts. */
  waitAnew(): void {
    this.#timer = timeout(this.#options.wait ?? Infinity, () => {
      [this.#late, this.#problem] = [true, this.#participant.status.etcdError];
      this.#stop();
    });
  }

  /** What was waited for is there. */
  endWait(): void {
    clearTimeout(this.#timer);
  }

  /** Stops the participant no more. */
  cancel(): void {
    this.endWait();
    this.#options.signal?.removeEventListener("abort", this.#stop);
  }

  /** Why the participant was stopped without a result. */
  get reason(): unknown {
    const { signal } = this.#options;
    return signal?.aborted ? signal.reason : new NotElectedError(this.#late ? "timeout" : "stopped", this.#problem);
  }
}
