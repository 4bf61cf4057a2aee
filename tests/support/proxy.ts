/** Which way bytes go through a proxy. */
export type Direction = "to-server" | "to-client";

interface Way {
  stalled: boolean;
  /** Resolves when the stall is over. */
  resumed: PromiseWithResolvers<void>;
}

/**
 * A TCP proxy that can do to a connection what networks do: cut it, or let it stand and swallow nothing,
 * so that neither side is told.
 */
export class Proxy implements AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #ways: Record<Direction, Way> = { "to-server": flowing(), "to-client": flowing() };
  readonly #pumps = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  /** Milliseconds by which each piece is late, in each direction. */
  delayMs = 0;

  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.endpoint = `http://127.0.0.1:${this.port}`;
    this.#accepting = this.#accept();
  }

  /** Breaks all connections; new ones are taken again. */
  cut(): void {
    for (const connection of this.#connections) close(connection);
  }

  /** Lets nothing through any more, in one direction or both; connections stay open, and new ones too. */
  stall(...directions: Direction[]): void {
    for (const direction of directions) this.#ways[direction].stalled = true;
  }

  /** Lets all through again, also what was held up. */
  heal(): void {
    for (const direction of ["to-server", "to-client"] as const) {
      const way = this.#ways[direction];
      this.#ways[direction] = flowing();
      way.stalled = false;
      way.resumed.resolve();
    }
    this.delayMs = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.heal();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#pumps);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const pumped = this.#connect(client).finally(() => this.#pumps.delete(pumped));
      this.#pumps.add(pumped);
    }
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    this.#connections.add(client);
    try {
      // One that cannot hear the server does not hear that it answers either.
      await this.#pass("to-server");
      await this.#pass("to-client");
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      this.#connections.add(server);
      await Promise.all([this.#pump(client, server, "to-server"), this.#pump(server, client, "to-client")]);
      this.#connections.delete(server);
    } catch {
      close(client);
    }
    this.#connections.delete(client);
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, direction: Direction): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
        if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
        await this.#pass(direction);
        for (let sent = 0; sent < read;) sent += await to.write(buffer.subarray(sent, read));
      }
    } catch {
      // One side is gone: so is the other.
    }
    close(from);
    close(to);
  }

  async #pass(direction: Direction): Promise<void> {
    const way = this.#ways[direction];
    if (way.stalled) await way.resumed.promise;
  }
}

function flowing(): Way {
  return { stalled: false, resumed: Promise.withResolvers() };
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
