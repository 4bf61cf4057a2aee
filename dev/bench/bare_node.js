/**
 * `deno run -A dev/bench/bare_node.js ENDPOINT KEY PORT leader|next`: a handoff and nothing else. No lease, no queue, no
 * clock: the leader deletes a key at SIGTERM, the next one sees it go, asks etcd once, and says that it leads.
 */
const [endpoint, key, port, role] = Deno.args;
let leads = role === "leader";

const post = (path, body) => fetch(`${endpoint}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
const ask = async () => await (await post("kv/range", { key: btoa(key) })).text();

await ask();
Deno.addSignalListener("SIGTERM", async () => {
  leads = false;
  await (await post("kv/deleterange", { key: btoa(key) })).text();
  Deno.exit();
});
Deno.serve({ port: Number(port), onListen() {} }, () => new Response(leads ? "I am the leader\n" : "bare\n"));
if (role === "next") {
  const { body } = await post("watch", { create_request: { key: btoa(key) } });
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    if (!piece.includes("DELETE")) continue;
    await ask();
    leads = true;
  }
}
