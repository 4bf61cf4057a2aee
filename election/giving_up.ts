import { deferred } from "./deferred.ts";
import { NotElectedError, SetupError } from "./errors.ts";
import { timeout, type WaitOptions } from "./ready.ts";

/** What one who waits can learn of etcd. */
export interface EtcdTrouble {
  /** Why calls to etcd fail at the moment, if they do. */
  readonly etcdError: string | undefined;
  /** Calls `end` once it is known that no later attempt can succeed, unless the returned function was called before. */
  whenHopeless(end: (message: string) => void): () => void;
}

/** Milliseconds that etcd has to confirm that one who gives up has left: enough for a distant one that answers. */
const LEAVE_MS = 500;

/** Who can leave an election. */
interface Leaving {
  release(limitMs?: number): Promise<void>;
}

/** Ends a wait when its caller waits no longer: `signal` has fired, `wait` is over, or there is nothing to wait for. */
export class GivingUp {
  readonly #options: WaitOptions;
  readonly #end: () => void;
  readonly #trouble: EtcdTrouble | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #forget: (() => void) | undefined;
  #error: NotElectedError | SetupError | undefined;

  constructor(options: WaitOptions, end: () => void, trouble?: EtcdTrouble) {
    this.#options = options;
    this.#end = end;
    this.#trouble = trouble;
    this.waitAnew();
    options.signal?.addEventListener("abort", end);
    if (options.signal?.aborted) end();
  }

  /** From now on, `wait` counts. */
  waitAnew(): void {
    const giveUp = (error: NotElectedError | SetupError) => {
      this.#error = error;
      this.#end();
    };
    this.#timer = timeout(
      this.#options.wait ?? Infinity,
      () => giveUp(new NotElectedError("timeout", this.#trouble?.etcdError)),
    );
    this.#forget = this.#trouble?.whenHopeless((message) => giveUp(new SetupError(message)));
  }

  /** What was waited for is there. */
  endWait(): void {
    clearTimeout(this.#timer);
    this.#forget?.();
  }

  /** Ends nothing any more. */
  cancel(): void {
    this.endWait();
    this.#options.signal?.removeEventListener("abort", this.#end);
  }

  /** Stops the participant. One who has given up, or does so now, does not wait long for an etcd that may not answer. */
  async leave(participant: Leaving): Promise<void> {
    this.cancel();
    if (this.hasGivenUp) return await participant.release(LEAVE_MS);
    const { signal } = this.#options;
    const hurried = deferred<void>();
    const hurry = () => hurried.resolve(participant.release(LEAVE_MS));
    signal?.addEventListener("abort", hurry);
    try {
      await Promise.race([participant.release(), hurried.promise]);
    } finally {
      signal?.removeEventListener("abort", hurry);
    }
  }

  /** Whether the caller waits no longer. */
  get hasGivenUp(): boolean {
    return this.#options.signal?.aborted || this.#error !== undefined;
  }

  /** Why there is no result. */
  get reason(): unknown {
    const { signal } = this.#options;
    return signal?.aborted ? signal.reason : this.#error ?? new NotElectedError("stopped");
  }
}
