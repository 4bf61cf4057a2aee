/** The page in a real browser: Chromium, as `CHROMIUM` names it or as it is found on the `PATH`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { FakeElection } from "../election/testing.ts";
import { NodeHandler } from "../http/mod.ts";
import { isFile, onPath } from "../dev/search_path.ts";
import { freePort } from "../dev/ports.ts";
import { Certificates } from "./support/certificates.ts";
import { fillQueue } from "./support/foreign_keys.ts";
import { TestNode } from "./support/node.ts";
import { Proxy } from "./support/proxy.ts";

const TOKEN = "a-long-enough-token";
const EVIL = `<img src=x onerror="document.title='hacked'">`;

/** Chromium, if it is there. */
function findBrowser(): string | undefined {
  const named = Deno.env.get("CHROMIUM");
  if (named && isFile(named)) return named;
  return ["chromium", "chromium-browser", "google-chrome"].map(onPath).find((path) => path !== undefined);
}

const executablePath = findBrowser();

function launch(...flags: string[]): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", ...flags];
  return chromium.launch({ executablePath, args });
}

/** A test that needs Chromium. */
function browserTest(name: string, fn: () => Promise<void>, ignore = false): void {
  Deno.test({
    name: `${name} (needs Chromium)`,
    ignore: ignore || executablePath === undefined,
    // Playwright keeps its connection to the browser's process a moment longer.
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** Waits for a text on the page. */
async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector, { hasText: text }).first().waitFor({ timeout: 30_000 });
}

/** What axe-core finds on a page: who cannot see it, or has no mouse, would miss something. */
async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()") as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** Where the focus goes with the Tab key, from the start of the page until it leaves it. */
async function tabStops(page: Page): Promise<string[]> {
  const stops: string[] = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()");
    if (stops.includes(String(focused)) || await page.evaluate("document.activeElement === document.body")) {
      return stops;
    }
    stops.push(String(focused));
  }
}

browserTest("the page works below a path, where a service of somebody else's has put it", async () => {
  const election = new FakeElection("web-1");
  const port = freePort();
  const host = `127.0.0.1:${port}`;
  const url = `http://${host}/election`;
  const handler = new NodeHandler({ name: "jobs", id: "web-1", url });
  const shown = handler.show(election);
  await using _ = Deno.serve({ port, onListen() {} }, (request) => {
    const path = new URL(request.url).pathname;
    const [, below] = /^\/(?:\/.*\/..%2f)?election(.*)/.exec(path) ?? [];
    if (below === undefined) return new Response("not here", { status: 404 });
    return handler.handle(new Request(`http://${host}${below}`, request));
  });
  election.lead();
  const browser = await launch();
  try {
    for (const slash of ["", "/"]) {
      const page = await browser.newPage();
      await page.goto(url + slash);
      await shows(page, "#members li", "web-1");
    }
    // A proxy may take two slashes and dots for less than the browser does.
    const asked: string[] = [];
    const page = await browser.newPage();
    page.on("request", (request) => asked.push(new URL(request.url()).host));
    const opened = page.waitForRequest(/events$/);
    await page.goto(`http://${host}//elsewhere.invalid/..%2felection/`);
    await opened;
    assertEquals([...new Set(asked)], [host]);
  } finally {
    await browser.close();
  }
  handler.close();
  await election.stop();
  await shown;
});

browserTest("the page shows the election live, and never a stale leader", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const controlled = { env: { LEADER_NODE_CONTROL_TOKEN: TOKEN } };
  await using a = await TestNode.start(etcd, ["--id", "node-a", "--ttl", "2"], controlled);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "node-b", "--ttl", "2"], controlled);
  await b.logs("following");
  await using c = await TestNode.start(proxy, ["--id", EVIL, "--ttl", "2"], controlled);
  await c.logs("following");
  const browser = await launch();
  try {
    const errors: string[] = [];
    const foreign: string[] = [];
    const open = async (node: TestNode, options = {}) => {
      const page = await browser.newPage({
        viewport: { width: 900, height: 1000 },
        timezoneId: "Asia/Kathmandu",
        ...options,
      });
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("request", (request) => request.url().includes("127.0.0.1") || foreign.push(request.url()));
      await page.goto(`http://127.0.0.1:${node.port}/`);
      return page;
    };
    const onA = await open(a);
    const onC = await open(c, { colorScheme: "dark", viewport: { width: 390, height: 800 } });
    await shows(onA, "#role", "I am the leader");
    await shows(onA, "#members li.leader", "node-a");
    await shows(onC, "#role", "I am a follower and the leader is node-a");
    assertEquals(await onA.locator("#members li").count(), 3);
    await shows(onA, "#members li:nth-child(3)", EVIL);
    assertEquals(await onC.title(), EVIL);
    await shows(onA, "#members li.leader .lease", /Lease certain for \d\.\d s of 2 s/);
    await shows(onC, "#members li.leader .lease", /Lease seen in etcd \d\.\d s ago/);
    await shows(onC, "#lease", /This node's lease: \d\.\d s of 2 s/);
    await shows(onA, "#election", "election leader-node");
    // What the other nodes say of themselves.
    await shows(onA, "#members li:nth-child(3) .says", /^says: the leader is node-a$/);
    await shows(onC, "#members li.leader .says", /^says: I am the leader$/);
    // One colour for a node, in the queue and in the terms.
    const hue = async (selector: string) =>
      /--hue: \d+/.exec(await onA.locator(selector).first().getAttribute("style") ?? "")?.[0];
    assertMatch(await hue("#members li") ?? "", /\d/);
    assertEquals(await hue("#members li"), await hue("#terms tr"));
    assertEquals(await hue("#members li"), await hue("#timeline g"));
    assertEquals([await barriers(onA), await barriers(onC)], [[], []]);
    assertEquals(await tabStops(onA), [
      "node-a",
      "node-b",
      EVIL,
      "zone",
      "window",
      "table",
      "password",
      "successor",
      "Hand over",
    ]);
    await onC.locator("#control option").nth(2).waitFor({ state: "attached" });
    assert(await onC.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no scrolling sideways");
    assertEquals(errors, []);

    // A handoff, made on the page.
    await onA.getByLabel("Control token").fill("wrong-token");
    await onA.getByRole("button", { name: "Hand over" }).click();
    await shows(onA, "#outcome", "expected Authorization");
    await onA.getByLabel("Control token").fill(TOKEN);
    await onA.getByLabel("Next leader").selectOption("node-b");
    await onA.getByRole("button", { name: "Hand over" }).click();
    await shows(onA, "#outcome", "node-b leads now");
    await shows(onC, "#role", "the leader is node-b");
    await shows(onC, "#terms tr:nth-child(2)", "switched over");
    await shows(onA, "#terms tr:first-child td:nth-child(2)", /^\d+ ms$|^\d\.\d\d s$/);
    await shows(onA, "#gaps", /^\d+ gaps? measured here: /);
    const times = async () => await onA.locator("#terms tr:first-child td:nth-child(5)").textContent();
    const local = await times();
    await onA.locator("#zone").selectOption("UTC");
    const [, ownMinute] = /:(\d\d):/.exec(local!)!, [, minute] = /:(\d\d):/.exec((await times())!)!;
    assertEquals((60 + Number(ownMinute) - Number(minute)) % 60, 45, "Kathmandu is 5:45 ahead");
    // A leftover key, which has no lease.
    await etcd.ctl("put", "leader-node/ghost", "ghost");
    await shows(
      onA,
      "#members li .bad",
      "no lease: this key never expires; delete it with: etcdctl del leader-node/ghost",
    );
    await etcd.ctl("del", "leader-node/ghost");
    const folder = Deno.env.get("SCREENSHOTS");
    if (folder) await onA.screenshot({ path: `${folder}/light.png` });

    // A partition: c can no longer say who leads.
    proxy.stall("to-server", "to-client");
    await shows(onC, "#role", "No news from etcd: I do not know the leader");
    assertEquals(await onC.locator("#members li.leader").count(), 0);
    assertEquals(await barriers(onC), []);
    proxy.heal();
    await shows(onC, "#role", "the leader is node-b");

    // A leader that is frozen: its page hears nothing, and the node's own clock does not move.
    const onB = await open(b);
    await shows(onB, "#role", "I am the leader");
    b.kill("SIGSTOP");
    await shows(onB, "#role", "This node does not answer");
    await shows(onB, "#note", /^No answer for \d+ s/);
    await shows(onB, "#members .tag", "last known leader");
    assertEquals([await onB.title(), await onB.locator("#members li.leader").count()], ["⚠ node-b", 0]);
    assertEquals(await barriers(onB), []);
    await shows(onC, "#role", "the leader is node-a");
    b.kill("SIGCONT");
    await shows(onB, "#role", "the leader is node-a");

    // A crash, and the end of the node whose page is looked at.
    b.kill("SIGKILL");
    await shows(onC, "#terms tr:nth-child(2)", "lease expired");
    await a.stop();
    await shows(onA, "#role", "Connection lost");
    assertEquals(await onA.locator("#members .tag", { hasText: /^★ leader$/ }).count(), 0);
    assert(errors.every((error) => /401|ERR_|CORS/.test(error)), errors.join("\n"));
    assertEquals(foreign, []);
    if (folder) {
      await onC.screenshot({ path: `${folder}/dark-narrow.png` });
      await onA.screenshot({ path: `${folder}/lost.png` });
    }
  } finally {
    await browser.close();
  }
  // It freezes a node.
}, Deno.build.os === "windows");

browserTest("the page of an observer: an empty queue, then a long one, which the keyboard opens", async () => {
  await using etcd = await LocalEtcd.start();
  await using observer = await TestNode.start(etcd, ["--observe"]);
  await observer.logs("no-leader");
  const browser = await launch();
  try {
    const page = await browser.newPage({ viewport: { width: 390, height: 800 }, reducedMotion: "reduce" });
    await page.goto(`http://127.0.0.1:${observer.port}/`);
    await shows(page, "#members", /^No leader: the queue is empty$/);
    await shows(page, "#no-terms", "This node has not seen a term yet.");
    assertEquals(await barriers(page), []);
    await etcd.ctl("put", "leader-node/00", JSON.stringify({ id: "a\u202eb \u200dאב" }));
    await fillQueue(etcd, 150);
    await shows(page, "#members li.leader strong", /^a\uFFFDb \uFFFDאב$/);
    await shows(page, "#count", "100 of 151 candidates");
    assertEquals(await page.locator("#members li").count(), 12);
    // What is long ago known stays where it is, so the button keeps the focus.
    await page.locator("#more", { hasText: "Show 88 more" }).focus();
    await page.keyboard.press("Enter");
    await shows(page, "#members li:nth-child(100)", "of another program");
    await etcd.ctl("del", "leader-node/00000000");
    await shows(page, "#count", "100 of 150 candidates");
    await page.keyboard.press("Enter");
    await shows(page, "#more", "Show 88 more");
    assertEquals(await page.locator("#members li").count(), 12);
    assertEquals(await barriers(page), []);
    assert(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no scrolling sideways");
  } finally {
    await browser.close();
  }
});

browserTest("the page says which nodes disagree with the queue, if it is known to them", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  await using a = await TestNode.start(proxy, ["--id", "node-a", "--ttl", "60"]);
  await a.logs("leading");
  const { key } = await a.logs("queued");
  await using b = await TestNode.start(etcd, ["--id", "node-b"]);
  await b.logs("following");
  await using c = await TestNode.start(proxy, ["--id", "node-c", "--ttl", "60"]);
  await c.logs("following");
  const browser = await launch();
  try {
    const errors: string[] = [];
    const open = async (url: string) => {
      const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await page.goto(url);
      return page;
    };
    const [onB, unknown] = await Promise.all([
      open(`http://127.0.0.1:${b.port}/`),
      open(`http://localhost:${b.port}/`),
    ]);
    await shows(onB, "#members li.leader .says", "says: I am the leader");
    assertEquals(await onB.locator("#doubts p").count(), 0);
    // Two without news from etcd while the leader's key is deleted.
    proxy.stall("to-server", "to-client");
    await etcd.ctl("del", String(key));
    await shows(onB, "#role", "I am the leader");
    await shows(onB, "#doubts p", /^node-a says that it is the leader, but by the queue, the leader is node-b\.$/);
    await shows(
      onB,
      "#doubts p",
      /^node-c says that the leader is node-a, but by the queue, the leader is node-b\.$/,
    );
    await shows(onB, "#members li:nth-child(2) .says.bad", "says: the leader is node-a");
    assertEquals(await barriers(onB), []);
    await onB.emulateMedia({ colorScheme: "dark" });
    assertEquals(await barriers(onB), []);
    const folder = Deno.env.get("SCREENSHOTS");
    if (folder) await onB.screenshot({ path: `${folder}/doubts-narrow.png` });
    proxy.heal();
    await shows(onB, "#members li:nth-child(3) .says", "says: the leader is node-b");
    await onB.locator("#doubts p").first().waitFor({ state: "detached" });
    // They do not know a page of this origin, and so it does not ask them.
    await shows(unknown, "#members li.leader", "node-b");
    await shows(unknown, "#unasked", `Open http://127.0.0.1:${b.port} to see what the other nodes say.`);
    assertEquals(await barriers(unknown), []);
    assertEquals(errors, []);
  } finally {
    await browser.close();
  }
});

browserTest("the page asks no node whose answer the browser would refuse, nor the viewer's own machine", async () => {
  await using etcd = await LocalEtcd.start();
  await using certificates = await Certificates.make();
  await certificates.sign("server", "localhost");
  const [cert, key] = [certificates.path("server.pem"), certificates.path("server.key")];
  const url = `http://far.test:${freePort()}`;
  await using a = await TestNode.start(etcd, ["--id", "a"]);
  await using secure = await TestNode.start(etcd, ["--id", "secure", "--http-cert", cert, "--http-key", key]);
  await using far = await TestNode.start(etcd, ["--id", "far", "--port", new URL(url).port, "--advertise-url", url]);
  await Promise.all([a, secure, far].map((node) => node.logs("queued")));
  const local = ["x.localhost", "localhost.", "[::ffff:127.0.0.1]", "[::]", "0.0.0.0"];
  for (const id of local) {
    await etcd.ctl("put", `leader-node/z${id}`, JSON.stringify({ id, url: `http://${id}:${a.port}` }));
  }
  const browser = await launch("--host-resolver-rules=MAP far.test 127.0.0.1");
  try {
    const requests: string[] = [], errors: string[] = [];
    const open = async (self: string, url: string) => {
      const page = await browser.newPage({ ignoreHTTPSErrors: true });
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("request", (request) => request.url().startsWith(url) || requests.push(request.url()));
      await page.goto(url);
      for (const id of ["a", "secure", "far", ...local].filter((id) => id !== self)) {
        await shows(page, `#members li:has(:text-is("${id}")) .says`, "cannot be asked");
      }
    };
    await open("far", url);
    await open("secure", `https://127.0.0.1:${secure.port}`);
    assertEquals([requests, errors], [[], []]);
  } finally {
    await browser.close();
  }
});

browserTest("the page lives with whatever answers at the URLs of the queue", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "node-a"]);
  await a.logs("leading");
  const noText = `{"toString":0}`;
  const endless = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(100_000).fill(32)),
    });
  const answers: Record<string, () => BodyInit> = {
    "/node": () => `{"node":${noText}}`,
    "/leader": () => `{"node":"x/leader","role":"follower","leader":${noText}}`,
    "/null": () => "null",
    "/endless": endless,
  };
  const asked: string[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    const answer = answers[pathname.replace("/status", "")];
    return new Response(answer?.() ?? "{}", { headers: { "access-control-allow-origin": "*" } });
  });
  const browser = await launch();
  try {
    const errors: string[] = [];
    const page = await browser.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`http://127.0.0.1:${a.port}/`);
    const paths = [...Object.keys(answers), "/any?path="];
    for (const path of paths) {
      const url = `http://127.0.0.1:${server.addr.port}${path}`;
      await etcd.ctl("put", `leader-node/x${path}`, JSON.stringify({ id: `x${path}`, url }));
    }
    for (const path of paths) await shows(page, `#members li:has(:text-is("x${path}")) .says`, "cannot be asked");
    assertEquals([errors, asked.includes("/any")], [[], false]);
  } finally {
    await browser.close();
  }
});
