/** Connections to a server that say nothing, as many as it takes. */
export class Crowd implements Disposable {
  readonly #port: number;
  readonly #open: Deno.TcpConn[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** Opens one more; says whether the server took it. */
  async join(): Promise<boolean> {
    try {
      this.#open.push(await Deno.connect({ hostname: "127.0.0.1", port: this.#port }));
      return true;
    } catch {
      return false;
    }
  }

  /** All leave. */
  leave(): void {
    for (const connection of this.#open.splice(0)) connection.close();
  }

  [Symbol.dispose](): void {
    this.leave();
  }
}
