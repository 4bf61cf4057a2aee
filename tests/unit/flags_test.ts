import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { parseCommandLine } from "../../cli/command_line.ts";
import { UsageError } from "../../cli/flags.ts";
import { helpText } from "../../cli/help.ts";
import { readInspectConfig } from "../../cli/inspect/flags.ts";
import { type Config, NODE_FLAGS } from "../../cli/node_flags.ts";
import { isSubcommand, SUBCOMMANDS } from "../../cli/subcommands.ts";
import { shellWord } from "../support/shell_word.ts";

function parse(line: string, env: Record<string, string> = {}): Config {
  // Spaces in paths are escaped.
  const words = line.split(/(?<!\\) /).map((word) => word.replaceAll(/\\(.)/g, "$1"));
  const command = parseCommandLine(line === "" ? [] : words, (name) => env[name]);
  assert(command.type === "run");
  return command.config;
}

const DEFAULTS: Config = {
  port: 8080,
  hostname: "::",
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
    ["--id 👨‍👩‍👧", { id: "👨‍👩‍👧" }],
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
  const file = await Deno.makeTempFile();
  const pem = shellWord(file);
  await Deno.writeTextFile(file, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
  const https = "--endpoints https://a:1";
  const cases: [line: string, message: RegExp][] = [
    [`${https} --cacert /nowhere`, /^--cacert: invalid value "\/nowhere"; expected a readable PEM file/],
    [
      `${https} --cacert ${shellWord(fileURLToPath(new URL("../../deno.json", import.meta.url)))}`,
      /^--cacert: invalid value /,
    ],
    [`${https} --cert ${pem}`, /^--cert and --key must be given together/],
    [`${https} --transport gateway --tls-server-name a`, /^--tls-server-name requires --transport grpc/],
    [`--endpoints http://a:1 --cacert ${pem}`, /^TLS flags require https endpoints/],
    ["--user me", /^--user: missing password/],
    ["--user :secret", /^--user: invalid value \(not shown\); expected a user name/],
    ["--password secret", /^a password requires --user/],
    ["--user me --password-file /nowhere", /^--password-file: invalid value "\/nowhere"/],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message) && !message.includes("secret"), message);
  }
  assertEquals(parse(`${https} --cacert ${pem}`).etcd.tls?.ca, file);
  assertEquals(parse("--user me:a:b").etcd.user, { name: "me", password: "a:b" });
  assertEquals(parse("--user me", { LEADER_NODE_PASSWORD: "secret" }).etcd.user, { name: "me", password: "secret" });
  assertEquals(parse("", { ETCDCTL_USER: "me:secret" }).etcd.user, { name: "me", password: "secret" });
  // As etcdctl takes them.
  assertEquals(parse(`--endpoints a:1,http://b:1`).etcd.endpoints, ["http://a:1", "http://b:1"]);
  const inEnv = { ETCDCTL_ENDPOINTS: "a:1, https://b:1", ETCDCTL_CACERT: file };
  assertEquals(parse(`--cacert ${pem}`).etcd.endpoints, ["https://127.0.0.1:2379"]);
  assertEquals(parse("", inEnv).etcd.endpoints, ["https://a:1", "https://b:1"]);
  await Deno.remove(file);
});

Deno.test("of secrets, too, a flag goes before a variable, and our variables before those of etcdctl", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "from-file");
  const ours = { LEADER_NODE_PASSWORD: "ours" };
  const etcdctls = { ETCDCTL_PASSWORD: "etcdctls" };
  const ourFile = { LEADER_NODE_PASSWORD_FILE: file };
  const [byFile, by] = [{ name: "me", passwordFile: file }, (password: string) => ({ name: "me", password })];
  const cases: [line: string, env: Record<string, string>, user: unknown][] = [
    [`--user me --password-file ${shellWord(file)}`, { ...ours, ...etcdctls }, byFile],
    ["--user me:flag", { ...ours, ...etcdctls, ...ourFile }, by("flag")],
    ["--user me:flag --password better", ours, by("better")],
    ["--user me", { ...ourFile, ...etcdctls }, byFile],
    ["--user me", { ...ours, ...ourFile }, by("ours")],
    ["", { LEADER_NODE_USER: "me:ours", ...etcdctls }, by("ours")],
    ["", { ETCDCTL_USER: "me:theirs", ...etcdctls }, by("etcdctls")],
  ];
  for (const [line, env, user] of cases) assertEquals(parse(line, env).etcd.user, user, JSON.stringify([line, env]));
  const token = (line: string, env: Record<string, string>) => parse(line, env).controlToken;
  const tokens = { LEADER_NODE_CONTROL_TOKEN: "in-the-environment" };
  assertEquals(token(`--control-token-file ${shellWord(file)}`, tokens), "from-file");
  assertEquals(token("", { ...tokens, LEADER_NODE_CONTROL_TOKEN_FILE: file }), "in-the-environment");
  await Deno.remove(file);
});

Deno.test("the variables of a Kubernetes Service with the name leader-node are not ours", () => {
  const link = { LEADER_NODE_PORT: "tcp://10.0.0.1:8080" };
  assertEquals(parse("", { ...link, LEADER_NODE_SERVICE_HOST: "10.0.0.1" }).port, 8080);
  assertThrows(() => parse("", link), UsageError, "LEADER_NODE_PORT: invalid value");
  assertEquals(parse("", { LEADER_NODE_PORT: "81", LEADER_NODE_SERVICE_HOST: "10.0.0.1" }).port, 81);
});

Deno.test("bad values are refused in one line that names the flag, the value and what is expected", () => {
  const cases: [line: string, begins: string, expected: string][] = [
    ["--port abc", `--port: invalid value "abc"; `, "a port number from 0 to 65535"],
    ["--port -1", `--port: invalid value "-1"; `, "a port number"],
    ["--port 70000", `--port: invalid value "70000"; `, "a port number"],
    ["--port 8080.5", `--port: invalid value "8080.5"; `, "a port number"],
    ["--port 0x50", `--port: invalid value "0x50"; `, "a port number"],
    ["--port", "--port: missing value; ", "a port number"],
    ["--port  --ttl 5", "--port: missing value; ", "a port number"],
    ["--port=", "--port: missing value; ", "a port number"],
    ["--port --ttl 5", "--port: missing value; ", "a port number"],
    ["--hostname a/b", `--hostname: invalid value "a/b"; `, "an IP address"],
    ["--ttl 0", `--ttl: invalid value "0"; `, "whole seconds from 1"],
    ["--ttl 1.5", `--ttl: invalid value "1.5"; `, "whole seconds"],
    ["--ttl abc", `--ttl: invalid value "abc"; `, "whole seconds"],
    ["--ttl -5", `--ttl: invalid value "-5"; `, "whole seconds"],
    ["--ttl 5s", `--ttl: invalid value "5s"; `, "whole seconds"],
    ["--ttl 99999999999", `--ttl: invalid value "99999999999"; `, "whole seconds from 1 to 86400"],
    ["--election=", "--election: missing value; ", "a name"],
    ["--election a/", `--election: invalid value "a/"; `, "a name"],
    ["--election a\tb", `--election: invalid value "a\\tb"; `, "a name"],
    ["--endpoints nonsense", `--endpoints: invalid value "nonsense"; `, "host:port"],
    ["--endpoints a:1,", `--endpoints: invalid value "a:1,"; `, "host:port"],
    ["--endpoints a:0", `--endpoints: invalid value "a:0"; `, "host:port"],
    ["--endpoints ftp://a:1", `--endpoints: invalid value "ftp://a:1"; `, "host:port"],
    ["--endpoints http://a", `--endpoints: invalid value "http://a"; `, "host:port"],
    ["--endpoints http://a:1/path", `--endpoints: invalid value "http://a:1/path"; `, "host:port"],
    ["--endpoints http://a:1,https://b:2", `--endpoints: invalid value "http://a:1,https://b:2"; `, "host:port"],
    ["--endpoints http://me:secret@a:1", `--endpoints: invalid value "http://***@a:1"; `, "host:port"],
    [`--id ${"x".repeat(201)}`, `--id: invalid value "${"x".repeat(100)}…"; `, "a name of 1 to 200"],
    ["--advertise-url a:8080", `--advertise-url: invalid value "a:8080"; `, "an http or https URL"],
    ["--advertise-url http://me:secret@a", `--advertise-url: invalid value "http://***@a"; `, "an http or https URL"],
    ["--observe=maybe", `--observe: invalid value "maybe"; `, "true or false"],
    ["--transport carrier-pigeon", `--transport: invalid value "carrier-pigeon"; `, "grpc or gateway"],
    ["--log-format xml", `--log-format: invalid value "xml"; `, "text or json"],
    ["--log-level loud", `--log-level: invalid value "loud"; `, "debug, info, warn or error"],
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
  assertEquals(parse(`--control-token-file ${shellWord(token)} --priority -3`).controlToken, "long-enough");
  assertEquals(parse("--priority -3").priority, -3);
  await Deno.writeTextFile(token, "short");
  const cases: [line: string, message: RegExp][] = [
    ["--", /^missing command after --$/],
    ["--observe -- job", /^--observe cannot be used with a command/],
    ["--on-exit exit", /^--on-exit requires a command/],
    ["--on-exit stay -- job", /^--on-exit: invalid value "stay"; expected exit, resign or restart/],
    ["--stop-grace 86401 -- job", /^--stop-grace: invalid value "86401"; expected seconds from 0 to 86400/],
    ["--stop-grace -1 -- job", /^--stop-grace: invalid value "-1"; /],
    ["--priority high", /^--priority: invalid value "high"; expected a whole number/],
    ["--control-token secret-secret", /^unknown flag "--control-token"; did you mean --control-token-file/],
    [`--control-token-file ${shellWord(token)}`, /^--control-token-file: invalid value .* 8 characters/],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message) && !message.includes("secret-secret"), message);
  }
  await Deno.remove(token);
});

Deno.test("a bad value in the environment is blamed on its variable", () => {
  const { message } = assertThrows(() => parse("", { LEADER_NODE_TTL: "abc" }), UsageError);
  assert(message.startsWith(`LEADER_NODE_TTL: invalid value "abc"; expected whole seconds`), message);
  const other = assertThrows(() => parse("", { ETCDCTL_ENDPOINTS: "abc" }), UsageError);
  assert(other.message.startsWith(`ETCDCTL_ENDPOINTS: invalid value "abc"; expected host:port`), other.message);
});

Deno.test("unknown arguments are refused in one line, flags with a known one that is close", () => {
  const cases: [line: string, message: RegExp][] = [
    ["--prot 1", /^unknown flag "--prot"; did you mean --port\?$/],
    ["--endpoint a:1", /^unknown flag "--endpoint"; did you mean --endpoints\?$/],
    ["--advertise=x", /^unknown flag "--advertise"; did you mean --advertise-url\?$/],
    ["--no-observe", /^unknown flag "--no-observe"; did you mean --observe\?$/],
    ["-p 8080", /^unknown flag "-p"; leader-node --help lists all flags$/],
    ["--constructor x", /^unknown flag "--constructor"; leader-node --help lists all flags$/],
    ["--__proto__ x", /^unknown flag "--__proto__"; leader-node --help lists all flags$/],
    ["--observe yes", /^unexpected argument "yes"; expected flags, or a command after --$/],
    ["--no-port 1", /^unknown flag "--no-port"; /],
    ["status --prot 1", /^unknown flag "--prot"; leader-node status --help lists all flags$/],
    ["doctor --watch", /^doctor does not take --watch; only members does$/],
    ["members --ttl 5", /^members does not take --ttl; only doctor does$/],
    ["resign --candidate a", /^resign does not take --candidate; only switchover does$/],
    ["history jobs", /^unexpected argument "jobs"; expected only flags$/],
    ["completions", /^completions: missing shell; expected bash, zsh, fish$/],
    ["completions tcsh", /^completions: unknown shell "tcsh"; expected bash, zsh, fish$/],
    ["man 1", /^unexpected argument "1"; expected nothing after man$/],
    ["version 2", /^unexpected argument "2"; expected nothing after version$/],
    ["help status all", /^unexpected argument "all"; expected nothing after help$/],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assert(expected.test(message), message);
  }
});

Deno.test("unknown subcommands are refused, with a known one only if that is close", () => {
  const cases: [line: string, message: string][] = [
    ["statsu", `unknown subcommand "statsu"; did you mean status?`],
    ["switch --candidate a", `unknown subcommand "switch"; did you mean switchover?`],
    ["help member", `unknown subcommand "member"; did you mean members?`],
    ["serve", `unknown subcommand "serve"; leader-node help lists all subcommands`],
    ["./job --watch", `unknown subcommand "./job"; leader-node help lists all subcommands`],
    ["help watchdog", `unknown subcommand "watchdog"; leader-node help lists all subcommands`],
    ["toString", `unknown subcommand "toString"; leader-node help lists all subcommands`],
  ];
  for (const [line, expected] of cases) {
    const { message } = assertThrows(() => parse(line), UsageError);
    assertEquals(message, expected);
  }
});

Deno.test("help and version are subcommands and flags", () => {
  const command = (line: string) => parseCommandLine(line.split(" "), () => undefined);
  for (const line of ["help", "--help", "-h", "help --help", "help help", "help version", "version --help"]) {
    assertEquals(command(line), { type: "help" }, line);
  }
  for (const line of ["version", "--version"]) assertEquals(command(line), { type: "version" }, line);
  for (const subcommand of PAGES) {
    for (const line of [`${subcommand} --help`, `${subcommand} -h`, `help ${subcommand}`]) {
      assertEquals(command(line), { type: "help", subcommand }, line);
    }
  }
});

/** The subcommands with a help of their own. */
const PAGES = Object.keys(SUBCOMMANDS).filter(isSubcommand).filter((name) => name !== "help" && name !== "version");

const CONNECTION = [
  "endpoints",
  "transport",
  "cacert",
  "cert",
  "key",
  "tls-server-name",
  "user",
  "password",
  "password-file",
];

/** The names of the flags that a help text lists. */
function listed(help: string): string[] {
  return [...help.matchAll(/^ {2}--(?:\[no-\])?([a-z-]+)/gm)].map(([, name]) => name!);
}

Deno.test("each help text shows exactly the flags of its subcommand, in lines of 80 characters", () => {
  const expected: Record<string, string[]> = {
    status: ["election", "json", "help", ...CONNECTION],
    members: ["election", "json", "watch", "help", ...CONNECTION],
    history: ["election", "json", "help", ...CONNECTION],
    doctor: ["election", "json", "ttl", "help", ...CONNECTION],
    resign: ["url", "leader", "trusted-hosts", "control-token-file", "help"],
    switchover: ["url", "leader", "candidate", "trusted-hosts", "control-token-file", "help"],
    completions: ["help"],
    man: ["help"],
  };
  assertEquals(PAGES.toSorted(), Object.keys(expected).toSorted());
  for (const subcommand of PAGES) assertEquals(listed(helpText(subcommand)), expected[subcommand], subcommand);
  const ofNode = Object.keys(NODE_FLAGS).filter((name) => name !== "control-token");
  assertEquals(listed(helpText()).toSorted(), ofNode.toSorted());
  for (const text of [helpText(), ...PAGES.map(helpText)]) {
    for (const line of text.split("\n")) assert(line.length <= 80 && line === line.trimEnd(), line);
  }
});

Deno.test("the doctor checks a TTL only if it is given one", () => {
  const ttl = (args: string[], env: Record<string, string> = {}) => {
    const config = readInspectConfig("doctor", args, (name) => env[name]);
    return config === "help" ? config : config.ttl;
  };
  assertEquals([ttl([]), ttl(["--ttl", "7"]), ttl([], { LEADER_NODE_TTL: "8" })], [undefined, 7, 8]);
});

Deno.test("a subcommand accepts the flags that its help shows", () => {
  const values: Record<string, string> = { ttl: "7", url: "http://a", transport: "gateway", endpoints: "a:1" };
  const files = ["cacert", "cert", "key", "tls-server-name", "password-file", "control-token-file", "help"];
  for (const subcommand of PAGES) {
    if (subcommand === "completions" || subcommand === "man") continue;
    const args = listed(helpText(subcommand)).filter((name) => !files.includes(name)).flatMap((name) =>
      name === "json" || name === "watch" ? [`--${name}`] : [`--${name}`, values[name] ?? "a"]
    );
    const env = (name: string) => name === "LEADER_NODE_CONTROL_TOKEN" ? "long-enough" : undefined;
    const { type } = parseCommandLine([subcommand, ...args], env);
    assert(type === "inspect" || type === "control", subcommand);
  }
});

Deno.test("the help of the program lists all subcommands, but not the watchdog", () => {
  const [, list] = /^Subcommands.*:\n((?: {2}.*\n)+)/m.exec(helpText())!;
  const names = list!.trimEnd().split("\n").map((line) => line.trim().split(" ", 1)[0]);
  assertEquals(names, Object.keys(SUBCOMMANDS));
  assert(helpText().includes("(default: 8080)") && helpText().includes("LEADER_NODE_<FLAG>"));
});

Deno.test("the help of switchover, as it is printed", () => {
  assertEquals(
    helpText("switchover"),
    `\
leader-node switchover: transfer leadership to a given candidate

Usage: leader-node switchover --candidate ID [flags]

Flags:
  --url URL                  any node; if the leader is on another host, name
                             that in --trusted-hosts
                             (default: http://localhost:8080)
  --leader ID                act only if this node is the leader (default: any)
  --candidate ID             the waiting candidate that becomes leader
  --trusted-hosts A,B,C      hosts that may get the control token, besides that
                             of --url
  --control-token-file FILE  file with the control token of the nodes
  --help                     print this help and exit (also -h)

Each flag that takes a value can also be set in the environment as
LEADER_NODE_<FLAG>, such as LEADER_NODE_URL, and the control token in
LEADER_NODE_CONTROL_TOKEN.

Exit codes: 0 on success, also if the leader has resigned and nobody leads yet;
1 otherwise, also if the leader is still handing over after 30 s; 2 for invalid
usage.`,
  );
});
