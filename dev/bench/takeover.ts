import { ServerProcess } from "./server_process.ts";
import type { Samples } from "./samples.ts";

/** From a signal to the leader until another node says that it leads, of three that `start` starts. */
export async function takeover(
  rounds: number,
  signal: "SIGTERM" | "SIGKILL",
  start: () => ServerProcess,
): Promise<Samples> {
  let nodes = [start(), start(), start()];
  const took: number[] = [];
  let leader = await ServerProcess.leaderOf(nodes);
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
    const others = nodes.filter((node) => node !== leader);
    const from = performance.now();
    leader.kill(signal);
    const next = await ServerProcess.leaderOf(others);
    took.push(performance.now() - from);
    await leader.ended;
    leader = next;
    nodes = [...others, start()];
  }
  await Promise.all(nodes.map((node) => node.stop()));
  return took;
}
