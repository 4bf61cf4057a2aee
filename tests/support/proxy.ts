/** Which way bytes go through a proxy. */
export type Direction = "to-server" | "to-client";

interface Way {
  stalled: boolean;
  /** Resolves when the stall is over. */
  resumed: PromiseWithResolvers<void>;
}

interface Connection {
  readonly client: Deno.TcpConn;
  server?: Deno.TcpConn;
  /** The first bytes that the client sent, as text: who it is, where a protocol says so. */
  greeting: string;
}

/**
 * A TCP proxy that can do to a connection what networks do: cut it, slow it down, or let it stand and
 * swallow nothing, so that neither side is told.
 */
export class Proxy implements AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #connections = new Set<Connection>();
  readonly #ways: Record<Direction, Way> = { "to-server": flowing(), "to-client": flowing() };
  readonly #pumps = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  /** Milliseconds by which each piece is late, in each direction. */
  delayMs = 0;
  /** How many bytes go through a connection in a second, in each direction. */
  bytesPerSecond = Infinity;
  /** Which connections a stall is for. */
  #stalls: (greeting: string) => boolean = () => true;
  #accepted = 0;
  readonly #changed = new EventTarget();

  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.endpoint = `http://127.0.0.1:${this.port}`;
    this.#accepting = this.#accept();
  }

  /** How many connections stand. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Resolves when so many more connections have been taken. */
  async accepts(more: number): Promise<void> {
    const wanted = this.#accepted + more;
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => this.#accepted >= wanted && resolve();
    this.#changed.addEventListener("accepted", check);
    await promise;
    this.#changed.removeEventListener("accepted", check);
  }

  /** Resolves when a connection begins or ends. */
  async changes(): Promise<void> {
    await new Promise((resolve) => this.#changed.addEventListener("connections", resolve, { once: true }));
  }

  /** Breaks all connections; new ones are taken again. */
  cut(): void {
    for (const { client, server } of this.#connections) {
      close(client);
      if (server) close(server);
    }
  }

  /** Lets nothing through any more, in one direction or both; connections stay open, and new ones too. */
  stall(...directions: Direction[]): void {
    for (const direction of directions) this.#ways[direction].stalled = true;
  }

  /** Stalls both directions of those connections only whose client's first bytes hold this text. */
  stallFrom(text: string): void {
    this.#stalls = (greeting) => greeting.includes(text);
    this.stall("to-server", "to-client");
  }

  /** Lets all through again, also what was held up. */
  heal(): void {
    for (const direction of ["to-server", "to-client"] as const) {
      const way = this.#ways[direction];
      this.#ways[direction] = flowing();
      way.stalled = false;
      way.resumed.resolve();
    }
    this.#stalls = () => true;
    this.delayMs = 0;
    this.bytesPerSecond = Infinity;
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
      this.#accepted++;
      this.#changed.dispatchEvent(new Event("accepted"));
    }
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    const connection: Connection = { client, greeting: "" };
    this.#connections.add(connection);
    this.#changed.dispatchEvent(new Event("connections"));
    try {
      // One that cannot hear the server does not hear that it answers either.
      await this.#pass("to-server", connection);
      await this.#pass("to-client", connection);
      const server = connection.server = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      await Promise.all([
        this.#pump(client, server, "to-server", connection),
        this.#pump(server, client, "to-client", connection),
      ]);
    } catch {
      close(client);
    }
    this.#connections.delete(connection);
    this.#changed.dispatchEvent(new Event("connections"));
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, direction: Direction, connection: Connection): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    const read = () => from.read(buffer.subarray(0, Math.ceil(this.bytesPerSecond / 20)));
    try {
      for (let size = await read(); size !== null; size = await read()) {
        if (direction === "to-server") connection.greeting ||= new TextDecoder().decode(buffer.subarray(0, size));
        const wait = this.delayMs + size / this.bytesPerSecond * 1000;
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        await this.#pass(direction, connection);
        for (let sent = 0; sent < size;) sent += await to.write(buffer.subarray(sent, size));
      }
    } catch {
      // One side is gone: so is the other.
    }
    close(from);
    close(to);
  }

  async #pass(direction: Direction, { greeting }: Connection): Promise<void> {
    const way = this.#ways[direction];
    if (way.stalled && this.#stalls(greeting)) await way.resumed.promise;
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
