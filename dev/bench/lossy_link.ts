/**
 * A worker that is a network line: what goes in at one of two TUN devices comes out at the other, late, or never. That
 * is what netem does, but many kernels have none, and so all that is measured by this is measured by the same means.
 * The devices go when the process ends, of whatever.
 */
import { parentPort, workerData } from "node:worker_threads";

/** What a line does to packets, in each direction. */
export interface LineQuality {
  readonly delayMs: number;
  /** The share of packets that get lost, each by a chance of its own. */
  readonly loss: number;
}

/** O_RDWR and O_CLOEXEC: a child that outlives this process would keep the device. */
const OPEN_FLAGS = 0x80002;
const TUNSETIFF = BigInt(0x400454ca);
/** IFF_TUN and IFF_NO_PI: packets of IP, with nothing before them. */
const PACKETS_ONLY = 0x1001;
const MAX_PACKET = 2048;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

let quality: LineQuality = { delayMs: 0, loss: 0 };

function makeDevice(name: string): number {
  const device = libc.open(new TextEncoder().encode("/dev/net/tun\0"), OPEN_FLAGS);
  const request = new Uint8Array(40);
  new TextEncoder().encodeInto(name, request);
  new DataView(request.buffer).setUint16(16, PACKETS_ONLY, true);
  if (device < 0 || libc.ioctl(device, TUNSETIFF, request) < 0) throw new Error(`cannot make the device ${name}`);
  return device;
}

async function pass(from: number, to: number): Promise<never> {
  for (;;) {
    const packet = new Uint8Array(MAX_PACKET);
    const size = await libc.read(from, packet, BigInt(packet.length));
    if (size < 0n || Math.random() < quality.loss) continue;
    // A device that is not up yet takes nothing: that is lost, too.
    const deliver = () => libc.write(to, packet, BigInt(size));
    if (quality.delayMs > 0) setTimeout(deliver, quality.delayMs);
    else deliver();
  }
}

const [one, other] = (workerData as string[]).map(makeDevice) as [number, number];
pass(one, other);
pass(other, one);
parentPort!.on("message", (wanted: LineQuality) => quality = wanted);
parentPort!.postMessage("open");
