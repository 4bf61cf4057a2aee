/**
 * `clients.ts PORT PATH CLIENTS SECONDS`: clients that ask a server on loopback for a path again and again, each over a
 * connection of its own. Prints how many answers had which status, as JSON.
 */
const [port, path, clients, seconds] = Deno.args;
const request = new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
const answers: Record<string, number> = {};

async function ask(connection: Deno.Conn, buffer: Uint8Array): Promise<void> {
  await connection.write(request);
  let [head, length, size] = ["", Infinity, 0];
  while (size < length) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error("closed");
    size += read;
    if (length < Infinity) continue;
    head += new TextDecoder().decode(buffer.subarray(0, read));
    const end = head.indexOf("\r\n\r\n");
    if (end >= 0) length = end + 4 + Number(/^content-length: (\d+)/mi.exec(head)?.[1] ?? 0);
  }
  const status = head.slice(9, 12);
  answers[status] = (answers[status] ?? 0) + 1;
}

async function client(): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
      for (;;) await ask(connection, buffer);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

for (let count = 0; count < Number(clients); count++) client();
setTimeout(() => {
  console.log(JSON.stringify(answers));
  Deno.exit(0);
}, Number(seconds) * 1000);
