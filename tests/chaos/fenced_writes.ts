import { nameOf, OBJECTS } from "./objects.ts";
import type { Testbed } from "./stage.ts";
import { Writers } from "./writers.ts";

/**
 * What can happen to a leader that writes, one after another. The first fault is sabotage of what is not fenced: the
 * leader is frozen between its check and its write, and writes when the next one has read what it builds on.
 */
export async function faultsOfWriters(stage: Testbed): Promise<void> {
  const [etcd] = stage.etcds;
  await using writers = new Writers(stage.etcds);

  await writers.look();
  const frozen = await writers.next();
  const successor = writers.hears("a successor that is about to write", (writer, told) => {
    return writer !== frozen && told.type === "invoked" && told.object === nameOf(OBJECTS.at(-1)!);
  });
  writers.freeze();
  await successor;
  const outcomes = new Map<string, string>();
  const late = writers.hears("the frozen writer to go on", (writer, told) => {
    if (writer === frozen && (told.type === "done" || told.type === "refused")) outcomes.set(told.object, told.type);
    return outcomes.size === OBJECTS.length;
  });
  frozen.process.kill("SIGCONT");
  await late;
  writers.thaw();

  const killed = await writers.next();
  let moved = writers.next(killed);
  await writers.kill(killed);
  writers.add();
  await moved;

  const cutOff = await writers.next();
  moved = writers.next(cutOff);
  for (const proxy of cutOff.proxies) proxy.stall("to-server", "to-client");
  await moved;
  for (const proxy of cutOff.proxies) proxy.heal();

  const deposed = await writers.next();
  moved = writers.next(deposed);
  await etcd!.ctl("del", deposed.key);
  await moved;

  await etcd!.stop("SIGKILL");
  await etcd!.start();
  await writers.next();
  await writers.look();
  const { violations } = stage.referee;
  violations.push(...writers.violations());
  for (const object of OBJECTS) {
    const [name, outcome] = [nameOf(object), object.fenced ? "refused" : "done"];
    if (outcomes.get(name) !== outcome) violations.push(`a late write of a frozen leader was not ${outcome}: ${name}`);
    if (!object.fenced && !writers.judge(object)) violations.push(`the checker does not see a late write: ${name}`);
  }
}
