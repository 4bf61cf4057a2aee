/** A program that serves while its node leads: says who runs it, and with which token. */
const { LEADER_NODE_ID, LEADER_NODE_TOKEN } = Deno.env.toObject();
Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} }, () => {
  return Response.json({ id: LEADER_NODE_ID, token: Number(LEADER_NODE_TOKEN) });
});
