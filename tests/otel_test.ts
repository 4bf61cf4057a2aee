import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "./support/program.ts";

/** Two candidates: the first hands over to the second, which ends. */
const PROGRAM = `
import { Election } from "${new URL("../election/mod.ts", import.meta.url)}";
import { ElectionMeter, ElectionTracer } from "${new URL("../election/otel.ts", import.meta.url)}";

function join(id) {
  const tracer = new ElectionTracer("jobs " + id);
  const meter = new ElectionMeter("jobs " + id);
  const events = new EventTarget();
  const onEvent = (event) => {
    tracer.onEvent(event);
    meter.onEvent(event);
    events.dispatchEvent(new Event(event.type));
  };
  const election = new Election({ name: "jobs", endpoints: [Deno.args[0]], candidate: { id }, onEvent });
  return { election, followed: Promise.all([tracer.follow(election), meter.follow(election)]), events };
}

const leads = async ({ election }) => {
  for await (const { role } of election) if (role === "leader") break;
};
const a = join("a");
await leads(a);
await new Promise((resolve) => a.events.addEventListener("lease-renewed", resolve));
const b = join("b");
for await (const { leader } of b.election) if (leader?.id === "a") break;
await a.election.stop();
await leads(b);
await b.election.stop();
await Promise.all([a.followed, b.followed]);
`;

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
  readonly links?: readonly { readonly spanId: string }[];
  readonly status: { readonly code?: number };
}

interface OtlpPoint {
  readonly attributes: OtlpSpan["attributes"];
  readonly asInt?: string;
  readonly asDouble?: number;
  readonly count?: string | number;
  readonly sum?: number;
}

interface OtlpMetric {
  readonly name: string;
  readonly unit?: string;
  readonly gauge?: { readonly dataPoints: readonly OtlpPoint[] };
  readonly sum?: { readonly dataPoints: readonly OtlpPoint[] };
  readonly histogram?: { readonly dataPoints: readonly OtlpPoint[] };
}

interface OtlpMetrics {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly scope: { readonly name: string };
      readonly metrics: readonly OtlpMetric[];
    }[];
  }[];
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly OtlpSpan[] }[];
  }[];
}

Deno.test("campaigns, terms, handoffs and renewals arrive as spans and metrics by OTLP, sent by Deno itself", async () => {
  await using etcd = await LocalEtcd.start();
  const spans: OtlpSpan[] = [];
  const metrics: OtlpMetric[] = [];
  await using receiver = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    if (new URL(request.url).pathname === "/v1/traces") {
      const scopes = (JSON.parse(body) as OtlpTraces).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans);
      spans.push(...scopes.filter(({ scope }) => scope.name === "leader-node").flatMap(({ spans }) => spans));
    }
    if (new URL(request.url).pathname === "/v1/metrics") {
      const scopes = (JSON.parse(body) as OtlpMetrics).resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics);
      metrics.push(...scopes.filter(({ scope }) => scope.name === "leader-node").flatMap(({ metrics }) => metrics));
    }
    return Response.json({});
  });
  const env = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    // Much more often than a lease is renewed.
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
  };
  const folder = await Deno.makeTempDir({ dir: new URL(".", import.meta.url).pathname, prefix: "examples-" });
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, PROGRAM);
    const args = ["run", "-A", "--quiet", "--no-check", `${folder}/program.ts`, etcd.endpoint];
    const { code, stderr } = await Program.run(Deno.execPath(), args, { env });
    assertEquals([code, stderr], [0, ""]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const value = ({ attributes }: Pick<OtlpSpan, "attributes">, key: string) =>
    attributes.find((one) => one.key === `leader_node.${key}`)?.value.stringValue;
  const named = (name: string, id: string) =>
    spans.filter((span) => span.name === name && value(span, "election") === `jobs ${id}`);
  const counts = Object.fromEntries(
    ["campaign", "term"].map((name) => [name, [named(name, "a").length, named(name, "b").length]]),
  );
  assertEquals(counts, { campaign: [1, 1], term: [1, 1] });
  assertEquals(named("handoff", "b").length, 1);

  const [termA, termB] = [named("term", "a")[0]!, named("term", "b")[0]!];
  assertEquals([value(termA, "end_reason"), termA.status.code ?? 0], ["stopped", 0]);
  assertEquals(termA.links?.map(({ spanId }) => spanId), [named("campaign", "a")[0]!.spanId]);
  assert(termA.traceId !== termB.traceId);
  const handoff = named("handoff", "b")[0]!;
  assertEquals(
    [value(handoff, "from_token"), value(handoff, "to_token"), value(handoff, "to")],
    [value(termA, "token"), value(termB, "token"), "b"],
  );
  const renewal = named("renewal", "a").find(({ parentSpanId }) => parentSpanId === termA.spanId);
  assertEquals(renewal?.traceId, termA.traceId);

  /** All values of a candidate's metric, in the order of time. */
  const points = (name: string, id: string) =>
    metrics.filter((metric) => metric.name === `leader_node.${name}`)
      .flatMap(({ gauge, sum, histogram }) => (gauge ?? sum ?? histogram)!.dataPoints)
      .filter((point) => value(point, "election") === `jobs ${id}`);
  const numbers = (name: string, id: string) =>
    points(name, id).map(({ asInt, asDouble }) => Number(asInt ?? asDouble));
  for (const id of ["a", "b"]) {
    assertEquals([numbers("terms", id).at(-1), numbers("terms_ended", id).at(-1)], [1, 1], id);
    assertEquals(value(points("terms_ended", id).at(-1)!, "end_reason"), "stopped");
  }
  assert(numbers("is_leader", "a").includes(1));
  const { count, sum } = points("renewal.duration", "a").at(-1)!;
  assert(Number(count) > 0 && sum! > 0);
});
