/** Free ports for servers that cannot take whichever one the system gives them. */

/** Below the ports that systems give to whoever asks for any, and to outgoing connections. */
const FIRST = 20_000;
const LAST = 32_000;

/** How many ports a process, or a thread that tests run in, has for itself. */
const BLOCK = 100;

/**
 * Whoever listens on the first port of a block has the others: nobody else picks one between the moment when it was
 * found free and the moment when a server takes it. It ends with its owner, however that ends.
 */
const owned = claim();
let picked = 0;

function claim(): Deno.TcpListener | undefined {
  // From a random block on: nodes that a killed test left behind still try to reach the ports of a former one.
  const blocks = (LAST - FIRST) / BLOCK;
  const start = Math.floor(Math.random() * blocks);
  for (let count = 0; count < blocks; count++) {
    const port = FIRST + ((start + count) % blocks) * BLOCK;
    try {
      return Deno.listen({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A port on which nobody listens, and which nobody else here picks. */
export function freePort(): number {
  for (let tries = 1; owned && tries < BLOCK; tries++) {
    const port = owned.addr.port + 1 + picked++ % (BLOCK - 1);
    if (!portInUse(port)) return port;
  }
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether somebody listens on the port, of whichever family: `localhost` is one or the other. */
export function portInUse(port: number): boolean {
  return ["0.0.0.0", "127.0.0.1", "::", "::1"].some((hostname) => {
    try {
      Deno.listen({ hostname, port }).close();
      return false;
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) return true;
      // There may be no IPv6.
      if (hostname.includes(":")) return false;
      throw error;
    }
  });
}
