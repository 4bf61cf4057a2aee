import { assert, assertEquals, assertThrows } from "@std/assert";
import { helpText, parseCommandLine } from "../../cli/command_line.ts";
import { UsageError } from "../../cli/flags.ts";
import type { Config } from "../../cli/node_flags.ts";

function parse(line: string, env: Record<string, string> = {}): Config {
  const command = parseCommandLine(line === "" ? [] : line.split(" "), (name) => env[name]);
  assert(command.type === "run");
  return command.config;
}

const DEFAULTS: Config = {
  port: 8080,
  hostname: "0.0.0.0",
  etcd: { endpoints: ["http://127.0.0.1:2379"], transport: "grpc", tls: undefined, user: undefined },
  election: "leader-node",
  id: undefined,
  ttl: 5,
  advertiseUrl: undefined,
  priority: 0,
  observe: false,
  command: undefined,
  watchdog: false,
  controlToken: undefined,
  httpTls: undefined,
  logFormat: "text",
  logLevel: "info",
};

Deno.test("without flags all is at its default", () => {
  assertEquals(parse(""), DEFAULTS);
});

Deno.test("each flag sets what it says, with a space or an equals sign", () => {
  const cases: [line: string, config: Partial<Config>][] = [
    ["--port 8081", { port: 8081 }],
    ["--port=8081", { port: 8081 }],
    ["--port 0", { port: 0 }],
    ["--port 65535", { port: 65535 }],
    ["--port 1 --port 2", { port: 2 }],
    ["--hostname ::1", { hostname: "::1" }],
    ["--endpoints 10.0.0.1:2379", { etcd: { ...DEFAULTS.etcd, endpoints: ["http://10.0.0.1:2379"] } }],
    ["--endpoints http://a:1,http://b:2/,b:2", { etcd: { ...DEFAULTS.etcd, endpoints: ["http://a:1", "http://b:2"] } }],
    ["--endpoints https://a:443", { etcd: { ...DEFAULTS.etcd, endpoints: ["https://a:443"] } }],
    ["--endpoints [::1]:2379", { etcd: { ...DEFAULTS.etcd, endpoints: ["http://[::1]:2379"] } }],
    ["--transport gateway", { etcd: { ...DEFAULTS.etcd, transport: "gateway" } }],
    ["--election team/jobs", { election: "team/jobs" }],
    ["--id a", { id: "a" }],
    ["--ttl 30", { ttl: 30 }],
    ["--advertise-url https://a.example/node/", { advertiseUrl: "https://a.example/node" }],
    ["--observe", { observe: true }],
    ["--observe=false", { observe: false }],
    ["--log-format json", { logFormat: "json" }],
    ["--log-level debug", { logLevel: "debug" }],
  ];
  for (const [line, config] of cases) assertEquals(parse(line), { ...DEFAULTS, ...config }, line);
});

Deno.test("help and version go before everything else", () => {
  for (const line of ["--help", "-h", "--port abc --help"]) {
    assertEquals(parseCommandLine(line.split(" "), () => undefined), { type: "help" });
  }
  assertEquals(parseCommandLine(["--version"], () => undefined), { type: "version" });
});

Deno.test("what stands in the environment counts where there is no flag, and an empty variable not at all", () => {
  const env = {
    LEADER_NODE_PORT: "9000",
    LEADER_NODE_ENDPOINTS: "a:1",
    ETCDCTL_ENDPOINTS: "b:2",
    LEADER_NODE_ADVERTISE_URL: "http://a",
    LEADER_NODE_OBSERVE: "1",
    LEADER_NODE_ID: "",
  };
  assertEquals(parse("", env), {
    ...DEFAULTS,
    port: 9000,
    etcd: { ...DEFAULTS.etcd, endpoints: ["http://a:1"] },
    advertiseUrl: "http://a",
    observe: true,
  });
  assertEquals(parse("--port 1", env).port, 1);
  assertEquals(parse("", { ETCDCTL_ENDPOINTS: "b:2" }).etcd.endpoints, ["http://b:2"]);
});

Deno.test("files and users: what cannot be is refused, and no secret is shown", async () => {
  const pem = await Deno.makeTempFile();
  await Deno.writeTextFile(pem, "-----BEGIN CERTIFICATE-----");
  const https = "--endpoints https://a:1";
  const cases: [line: string, message: RegExp][] = [
    [`${https} --cacert /nowhere`, /^--cacert cannot be "\/nowhere": expected a file that can be read and holds PEM/],
    [`${https} --cacert ${new URL("../../deno.json", import.meta.url).pathname}`, /^--cacert cannot be /],
    [`${https} --cert ${pem}`, /^--cert and --key go together/],
    [`${https} --transport gateway --tls-server-name a`, /^--tls-server-name needs --transport grpc/],
    [`--cacert ${pem}`, /^TLS flags go with https endpoints/],
    ["--user me", /^--user needs a password/],
    ["--user :secret", /^--user cannot be what it is: /],
    ["--password secret", /^a password goes with a user/],
    ["--user me --password-file /nowhere", /^--password-file cannot be "\/nowhere"/],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message) && !message.includes("secret"), message);
  }
  assertEquals(parse(`${https} --cacert ${pem}`).etcd.tls?.ca, "-----BEGIN CERTIFICATE-----");
  assertEquals(parse("--user me:a:b").etcd.user, { name: "me", password: "a:b" });
  assertEquals(parse("--user me", { LEADER_NODE_PASSWORD: "secret" }).etcd.user, { name: "me", password: "secret" });
  assertEquals(parse("", { ETCDCTL_USER: "me:secret" }).etcd.user, { name: "me", password: "secret" });
  await Deno.remove(pem);
});

Deno.test("bad values are refused in one line that names the flag, the value and what is expected", () => {
  const cases: [line: string, begins: string, expected: string][] = [
    ["--port abc", `--port cannot be "abc": `, "a port number from 0 to 65535"],
    ["--port -1", `--port cannot be "-1": `, "a port number"],
    ["--port 70000", `--port cannot be "70000": `, "a port number"],
    ["--port 8080.5", `--port cannot be "8080.5": `, "a port number"],
    ["--port 0x50", `--port cannot be "0x50": `, "a port number"],
    ["--port", "--port needs a value: ", "a port number"],
    ["--port  --ttl 5", "--port needs a value: ", "a port number"],
    ["--port=", "--port needs a value: ", "a port number"],
    ["--port --ttl 5", "--port needs a value: ", "a port number"],
    ["--hostname a/b", `--hostname cannot be "a/b": `, "an address"],
    ["--ttl 0", `--ttl cannot be "0": `, "whole seconds from 1"],
    ["--ttl 1.5", `--ttl cannot be "1.5": `, "whole seconds"],
    ["--ttl abc", `--ttl cannot be "abc": `, "whole seconds"],
    ["--ttl -5", `--ttl cannot be "-5": `, "whole seconds"],
    ["--ttl 5s", `--ttl cannot be "5s": `, "whole seconds"],
    ["--ttl 99999999999", `--ttl cannot be "99999999999": `, "whole seconds from 1 to 86400"],
    ["--election=", "--election needs a value: ", "a name"],
    ["--election a/", `--election cannot be "a/": `, "a name"],
    ["--election a\tb", `--election cannot be "a\\tb": `, "a name"],
    ["--endpoints nonsense", `--endpoints cannot be "nonsense": `, "host:port"],
    ["--endpoints a:1,", `--endpoints cannot be "a:1,": `, "host:port"],
    ["--endpoints a:0", `--endpoints cannot be "a:0": `, "host:port"],
    ["--endpoints ftp://a:1", `--endpoints cannot be "ftp://a:1": `, "host:port"],
    ["--endpoints http://a", `--endpoints cannot be "http://a": `, "host:port"],
    ["--endpoints http://a:1/path", `--endpoints cannot be "http://a:1/path": `, "host:port"],
    ["--endpoints http://a:1,https://b:2", `--endpoints cannot be "http://a:1,https://b:2": `, "host:port"],
    ["--endpoints http://me:secret@a:1", `--endpoints cannot be "http://***@a:1": `, "host:port"],
    [`--id ${"x".repeat(201)}`, `--id cannot be "${"x".repeat(100)}…": `, "a name of 1 to 200"],
    ["--advertise-url a:8080", `--advertise-url cannot be "a:8080": `, "an http or https URL"],
    ["--advertise-url http://me:secret@a", `--advertise-url cannot be "http://***@a": `, "an http or https URL"],
    ["--observe=maybe", `--observe cannot be "maybe": `, "true or false"],
    ["--transport carrier-pigeon", `--transport cannot be "carrier-pigeon": `, "grpc or gateway"],
    ["--log-format xml", `--log-format cannot be "xml": `, "text or json"],
    ["--log-level loud", `--log-level cannot be "loud": `, "debug, info, warn or error"],
  ];
  for (const [line, begins, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(message.startsWith(`${begins}expected ${expected}`), message);
    assert(!message.includes("\n") && !message.includes("secret"), message);
  }
});

Deno.test("a command stands after two dashes, and its flags go with it", async () => {
  const command = (line: string) => parse(line).command;
  assertEquals(command("--ttl 10 -- job --port 1 -- x"), {
    argv: ["job", "--port", "1", "--", "x"],
    onExit: "exit",
    stopGraceMs: 2000,
  });
  assertEquals(command("--on-exit restart --stop-grace 1.5 -- job"), {
    argv: ["job"],
    onExit: "restart",
    stopGraceMs: 1500,
  });
  const watchdog = (line: string) => parse(line).watchdog;
  assertEquals(["-- job", "--no-watchdog -- job", "", "--watchdog"].map(watchdog), [true, false, false, true]);
  const token = await Deno.makeTempFile();
  await Deno.writeTextFile(token, "long-enough\n");
  assertEquals(parse(`--control-token-file ${token} --priority -3`).controlToken, "long-enough");
  assertEquals(parse("--priority -3").priority, -3);
  await Deno.writeTextFile(token, "short");
  const cases: [line: string, message: RegExp][] = [
    ["--", /^-- needs a command/],
    ["--observe -- job", /^--observe goes without a command/],
    ["--on-exit exit", /^--on-exit goes with a command/],
    ["--on-exit stay -- job", /^--on-exit cannot be "stay": expected exit, resign or restart/],
    ["--stop-grace 86401 -- job", /^--stop-grace cannot be "86401": expected seconds from 0 to 86400, such as 30/],
    ["--stop-grace -1 -- job", /^--stop-grace cannot be "-1": /],
    ["--priority high", /^--priority cannot be "high": expected a whole number/],
    ["--control-token secret-secret", /^unknown flag "--control-token": did you mean --control-token-file/],
    [`--control-token-file ${token}`, /^--control-token-file cannot be .* 8 characters/],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message) && !message.includes("secret-secret"), message);
  }
  await Deno.remove(token);
});

Deno.test("a bad value in the environment is blamed on its variable", () => {
  const { message } = assertThrows(() => parse("", { LEADER_NODE_TTL: "abc" }), UsageError);
  assert(message.startsWith(`LEADER_NODE_TTL cannot be "abc": expected whole seconds`), message);
  const other = assertThrows(() => parse("", { ETCDCTL_ENDPOINTS: "abc" }), UsageError);
  assert(other.message.startsWith(`ETCDCTL_ENDPOINTS cannot be "abc": expected host:port`), other.message);
});

Deno.test("unknown flags are refused with the nearest known one, stray words with what is expected", () => {
  const cases: [line: string, message: RegExp][] = [
    ["--prot 1", /^unknown flag "--prot": did you mean --port\?/],
    ["--endpoint a:1", /^unknown flag "--endpoint": did you mean --endpoints\?/],
    ["--advertise=x", /^unknown flag "--advertise": did you mean --advertise-url\?/],
    ["--no-observe", /^unknown flag "--no-observe": did you mean --observe\?/],
    ["-p 8080", /^unknown flag "-p": /],
    ["--constructor x", /^unknown flag "--constructor": /],
    ["--__proto__ x", /^unknown flag "--__proto__": /],
    ["serve", /^unexpected "serve": expected flags, a command after --/],
    ["--observe yes", /^unexpected "yes": expected flags, a command/],
    ["--no-port 1", /^unknown flag "--no-port": /],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message), message);
  }
});

Deno.test("the README names every flag of the help", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  for (const [flag] of helpText().matchAll(/^ {2}(--[a-z-]+)/gm)) assert(readme.includes(`\`${flag.trim()}`), flag);
});

Deno.test("the help names every flag, its default and its variable's form", () => {
  const help = helpText();
  for (const name of ["port", "hostname", "endpoints", "election", "id", "ttl", "advertise-url", "observe"]) {
    assert(help.includes(`--${name}`), name);
  }
  assert(help.includes("(default: 8080)") && help.includes("LEADER_NODE_<FLAG>"));
  for (const line of help.split("\n")) assert(line.length <= 120, line);
});
