// The page in a real browser, served by the real handler from a neighborhood that changes while it is shown.
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { makePageHandler, type PageHandler, type PageKind } from "../../dashboard/api/handler.ts";
import { buildPage } from "../../dashboard/build.ts";
import { serveOpenPage } from "../../dashboard/open.ts";
import { HamletError } from "../../system/error.ts";
import { makeStatusSource } from "../dashboard/api/status-source.ts";
import { type Browser, startBrowser } from "./browser.ts";

let browser: Browser;
let html: string;
let source: ReturnType<typeof makeStatusSource>;
const open: { server: Server; handler: PageHandler }[] = [];
beforeAll(async () => {
  [browser, html] = await Promise.all([startBrowser(), buildPage()]);
});
afterAll(() => browser[Symbol.asyncDispose]());
beforeEach(() => {
  source = makeStatusSource();
});
afterEach(async () => {
  for (const { server, handler } of open.splice(0)) await close(server, handler);
});

async function serve(
  kind: PageKind,
  port = 0,
  page = html,
): Promise<{ url: string; server: Server; handler: PageHandler }> {
  const handler = makePageHandler(source, kind, { html: page, eventsEveryMs: 100 });
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  open.push({ server, handler });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server, handler };
}
async function close(server: Server, handler: PageHandler): Promise<void> {
  handler.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
const text = (selector: string) => `(document.querySelector(${JSON.stringify(selector)})?.innerText ?? "")`;
const rowOf = (name: string) =>
  `[...document.querySelectorAll("#members ~ * tbody tr")].find((row) => row.querySelector("th").innerText.startsWith("${name}")).innerText`;

test("the page builds reproducibly into one file that refers to no other server", async () => {
  expect(await buildPage()).toBe(html);
  expect(html.match(/https?:\/\/[^"'`\s)]+/g)?.filter((url) => !url.startsWith("http://www.w3.org/"))).toEqual([]);
  expect(Buffer.byteLength(html)).toBeLessThan(48_000);
});

test("the full page shows each member and follows its changes", async () => {
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelectorAll("#members ~ * tbody tr").length === 3`);
  expect(await tab.evaluate(text("h1"))).toBe("Elm Street");
  expect(await tab.evaluate("document.title")).toBe("Elm Street · Hamlet");
  expect(await tab.evaluate(rowOf("cellar"))).toMatch(/alive.*14 s ago.*0\.7 ms.*148 kB.*192\.168\.1\.17:51820/s);
  expect(await tab.evaluate(text(".tiles"))).toContain("3 of 3");

  source.member("kitchen").state = "dead";
  source.state.warnings = [{ code: "member.dead", message: "kitchen is gone", hint: "look at its power", since: 0 }];
  await tab.until(`${rowOf("kitchen")}.includes("dead")`);
  expect(await tab.evaluate(text(".tiles"))).toMatch(/2 of 3.*1\s*warning/s);
  expect(await tab.evaluate(text(".warnings"))).toMatch(
    /kitchen is gone\s+Next: look at its power\s+warning\s+member\.dead/,
  );

  source.state.warnings = [
    { code: "member.dead", message: "kitchen is gone", hint: "look at its power", since: 0, follows: "network.down" },
    { code: "network.down", severity: "error", message: "no network", hint: "check its cable", since: 0 },
  ];
  await tab.until(`document.querySelector(".warnings li.error") !== null`);
  expect(await tab.evaluate(text(".tiles"))).toMatch(/1\s*warning/);
  expect(await tab.evaluate(text(".warnings"))).toMatch(/^no network\s+Hence: kitchen is gone\s+Next: check its cable/);

  source.member("kitchen").state = "alive";
  source.state.warnings = [];
  await tab.until(`${text(".tiles")}.includes("3 of 3") && !document.querySelector(".warnings")`);
  expect(tab.problems).toEqual([]);
  // The page requests only itself and its event stream.
  expect(tab.requests).toEqual([url, `${url}v1/events`]);
});

const lines = `[...document.querySelectorAll(".graph line")].map((line) => line.className.baseVal + ": " + line.textContent)`;

test("the graph draws each link that members report, and dots one that only one end reports", async () => {
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelectorAll(".graph line").length === 3`);
  expect(await tab.evaluate(lines)).toContain("tunnel: cellar – kitchen: fresh handshake, 12 ms, sameLink");
  expect(await tab.evaluate(text("figcaption"))).toBe("3 of 3 links have a handshake younger than 3 minutes.");

  source.member("kitchen").peers = [{ id: "a".repeat(26), handshakeAgeS: 300 }];
  await tab.until(`document.querySelector(".graph .one-end") && document.querySelector(".graph .stale")`);
  expect(await tab.evaluate(lines)).toEqual([
    "tunnel: attic – cellar: fresh handshake, 0.7 ms, sameLink",
    "tunnel stale: attic – kitchen: no handshake for 3 minutes, 12 ms, sameLink",
    "tunnel one-end: cellar – kitchen: fresh handshake, 12 ms, sameLink, only cellar reports it",
  ]);
  expect(await tab.evaluate(text("figcaption"))).toContain("Dotted: only one end reports the link (1).");
  expect(tab.problems).toEqual([]);
});

test("the page draws a curve as metrics arrive", async () => {
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelectorAll("#metrics ~ * tbody tr").length === 3`);
  source.measure("cellar", { at: Date.now() + 10_000, cpu: 0.93, meshRx: 5_000_000 });
  await tab.until(`document.querySelectorAll("#metrics ~ * .spark").length === 2`);
  expect(await tab.evaluate(text("#metrics ~ * tbody tr:nth-of-type(2)"))).toMatch(/cellar\s+93 %/);
  expect(tab.problems).toEqual([]);
});

test("text from a device is never interpreted as HTML", async () => {
  const nasty = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
  source.member("cellar").name = nasty;
  source.state.warnings = [{ code: "x", message: nasty, hint: nasty, since: 0 }];
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`${text(".warnings")}.includes("onerror")`);
  expect(await tab.evaluate("document.title")).toBe("Elm Street · Hamlet");
  expect(await tab.evaluate("document.querySelectorAll('img').length")).toBe(0);
  expect(tab.problems).toEqual([]);
});

test("the content security policy blocks a script that is not ours", async () => {
  const { url } = await serve("full", 0, html.replace("</body>", "<p onclick='0'></p></body>"));
  const tab = await browser.open(url);
  await tab.until(text("h1"));
  await tab.evaluate(
    `(() => { const s = document.createElement("script"); s.textContent = "window.ran = 1"; document.body.append(s); })()`,
  );
  expect(await tab.evaluate("window.ran === undefined")).toBe(true);
  expect(tab.problems.join()).toContain("Content Security Policy");
});

test("the page says when its device stops answering, and continues when it is back", async () => {
  const { url, server, handler } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelector(".live.live")`);
  await close(server, handler);
  open.pop();
  await tab.until(`${text(".live")}.includes("does not answer")`);
  expect(await tab.evaluate(text("h1"))).toBe("Elm Street");
  await serve("full", Number(new URL(url).port));
  await tab.until(`${text(".live")}.includes("live")`, 15_000);
});

test("a button moves a device from its stick to its disk once its name is typed", async () => {
  source.state.internalDisk = { path: "/dev/nvme0n1", sizeBytes: 256e9, model: "Inner", partitions: 3 };
  const asked: object[] = [];
  const page = await serveOpenPage(source, {
    async request(path, body) {
      if (asked.length === 0) {
        asked.push(body);
        throw new HamletError("install.noDisk", "it has just gone", { hint: "look at its cable" });
      }
      asked.push({ path, ...body });
    },
  });
  try {
    const looker = await browser.open(page.url.split("#")[0]!);
    await looker.until(`${text("main")}.includes("This erases everything on that disk")`);
    expect(await looker.evaluate("document.querySelector('form')")).toBe(null);
    const tab = await browser.open(page.url);
    await tab.until("document.querySelector('form')");
    expect(await tab.evaluate(text("main"))).toContain("/dev/nvme0n1 (Inner, 256 GB, 3 partitions)");
    const type = (name: string) =>
      tab.evaluate(`(() => {
      const input = document.querySelector("input");
      input.value = ${JSON.stringify(name)};
      input.dispatchEvent(new Event("input", { bubbles: true }));
    })()`);
    const isReady = "!document.querySelector('button').disabled";
    await type("cellar");
    expect(await tab.evaluate(isReady)).toBe(false);
    await type("attic");
    await tab.until(isReady);
    expect(await tab.evaluate<string[]>(lowContrast)).toEqual([]);
    await tab.evaluate("document.querySelector('button').click()");
    await tab.until(`${text("[role=alert]")} === "it has just gone. Next: look at its cable"`);
    await tab.evaluate("document.querySelector('button').click()");
    await tab.until(`${text("main")}.includes("is copying itself to /dev/nvme0n1")`);
    expect(asked.at(-1)).toEqual({ path: "/v1/install", id: "a".repeat(26), disk: "/dev/nvme0n1" });
    expect(tab.problems.filter((problem) => !problem.includes("409"))).toEqual([]);
  } finally {
    await page.close();
  }
});

test("the owner adopts, renames and updates by buttons, which only the page with the key has", async () => {
  const porch = { id: "p".repeat(26), name: "porch", deviceKey: `${"k".repeat(42)}A`, code: "mnop-qrst-uvwx" };
  const thief = { id: "t".repeat(26), name: "thief", deviceKey: `${"t".repeat(42)}A`, code: "aaaa-bbbb-cccc" };
  source.state.pending = [porch, thief].map((one) => ({ ...one, because: "needsConfirmation" }));
  source.state.update = {
    ...{ v: 1, running: { slot: "a", version: "0.1.0" }, newest: "0.2.0", failed: [], activity: { phase: "idle" } },
  };
  const asked: unknown[] = [];
  const page = await serveOpenPage(source, {
    async request(path, body) {
      if ("name" in body && body.name === "cellar") throw new HamletError("name.taken", "cellar is taken");
      if ("name" in body) source.state.self.name = String(body.name);
      asked.push([path, body]);
    },
    owner: {
      async adopt(deviceKey) {
        asked.push(["adopt", deviceKey]);
        source.state.pending = [];
      },
      async reject(deviceKey) {
        asked.push(["reject", deviceKey]);
        source.state.pending = [{ ...porch, because: "needsConfirmation" }];
      },
    },
  });
  try {
    const [url, key] = page.url.split("#");
    for (const address of [url!, `${url}#another-key`]) {
      const looker = await browser.open(address);
      await looker.until(`${text("section:has(#pending)")}.includes("hamlet adopt")`);
      expect(await looker.evaluate("document.querySelectorAll('button').length")).toBe(0);
    }
    const tab = await browser.open(page.url);
    const button = (label: string) =>
      `[...document.querySelectorAll("button")].find((one) => one.innerText.includes(${JSON.stringify(label)}))`;
    const click = async (label: string) => {
      await tab.until(`${button(label)} && !${button(label)}.disabled`);
      await tab.evaluate(`${button(label)}.click()`);
    };
    await tab.until(button("Adopt porch"));
    expect(await tab.evaluate(text("section:has(#pending)"))).toContain("mnop-qrst-uvwx");
    expect(await tab.evaluate<string[]>(lowContrast)).toEqual([]);
    // A first press only asks, and names the code.
    await click("Adopt porch");
    await click("Cancel");
    expect(asked).toEqual([]);
    await click("Reject thief");
    await click("24 hours");
    await tab.until(`!${text("section:has(#pending)")}.includes("thief")`);
    await click("Adopt porch");
    await click("mnop-qrst-uvwx");
    await tab.until(`document.querySelector("#pending") === null`);
    await click("Update now");
    await click("restarts");
    await tab.until(`${text("section:has(#updates)")}.includes("looks for a release")`);
    const type = (name: string) =>
      tab.evaluate(`(() => {
      const input = document.querySelector("#rename input");
      input.value = ${JSON.stringify(name)};
      input.dispatchEvent(new Event("input", { bubbles: true }));
    })()`);
    await type("cellar");
    await click("Rename");
    await tab.until(`${text("#rename [role=alert]")}.includes("cellar is taken")`);
    await type("pantry");
    await click("Rename");
    await tab.until(`${text("main")}.includes("seen from pantry")`);
    expect(asked).toEqual([
      ["reject", thief.deviceKey],
      ["adopt", porch.deviceKey],
      ["/v1/update", { kind: "now" }],
      ["/v1/rename", { name: "pantry" }],
    ]);
    expect(tab.requests.every((request) => !request.includes(key!))).toBe(true);
    expect(tab.problems.filter((problem) => !problem.includes("409"))).toEqual([]);

    // Another site knows the address and even the key: the browser does not let it ask.
    const other = createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>another site"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const foreign = await browser.open(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
    await foreign.until(text("p"));
    const sent = await foreign.evaluate(`Promise.allSettled([
      fetch("${url}v1/rename", { method: "POST", body: '{"name":"owned"}', headers: { "x-hamlet-key": "${key}" } }),
      fetch("${url}v1/rename", { method: "POST", body: '{"name":"owned"}', mode: "no-cors" }),
    ]).then((all) => all.map(({ status }) => status))`);
    expect(sent).toEqual(["rejected", "rejected"]);
    expect(asked).toHaveLength(4);
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  } finally {
    await page.close();
  }
});

test("the page shows how far an update is and how the last one ended", async () => {
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelectorAll("#members ~ * tbody tr").length === 3`);
  expect(await tab.evaluate("document.querySelector('#updates')")).toBe(null);
  const end = {
    atMs: Date.now() - 7_200_000,
    from: "0.1.0",
    to: "0.1.9",
    outcome: "failed",
    check: "trial.mesh",
  } as const;
  source.state.update = {
    ...{ v: 1, running: { slot: "a", version: "0.1.0" }, newest: "0.2.0", failed: ["0.1.9"], last: end },
    activity: {
      ...{ phase: "writing", version: "0.2.0", part: "root", doneBytes: 84e6, totalBytes: 200e6 },
      ...{ fetchedBytes: 840e3, forecastBytes: 2e6 },
    },
  };
  const section = "section:has(#updates)";
  await tab.until(`document.querySelector("${section} progress")?.value === 0.42`);
  expect(await tab.evaluate(text(section))).toMatch(
    /writing 0\.2\.0: 42 % \(root\), fetched 840 kB of 2\.0 MB.*0\.1\.0 \(slot a\).*0\.2\.0.*never.*failed, and the device returned \(trial\.mesh\), 2 h 0 min ago.*0\.1\.9/s,
  );
  expect(await tab.evaluate<string[]>(lowContrast)).toEqual([]);
  source.state.update = { ...source.state.update, activity: { phase: "idle" } };
  await tab.until(`document.querySelector("${section}") && !document.querySelector("progress")`);
  expect(tab.problems).toEqual([]);
});

test("the public page shows this device and no other", async () => {
  source.state.phase = "pending";
  const { url } = await serve("public");
  const tab = await browser.open(url);
  await tab.until(`${text("h1")} === "attic"`);
  const shown = await tab.evaluate<string>("document.body.innerText");
  expect(shown).toContain("abcd-efgh-2345");
  expect(shown).toContain("waits for its owner");
  for (const secret of ["cellar", "kitchen", "fd12:", "Elm Street"]) expect(shown).not.toContain(secret);
  const sent = await tab.evaluate<string>("fetch('/v1/status').then((answer) => answer.text())");
  for (const secret of ["cellar", "kitchen", "fd12:", "Elm Street"]) expect(sent).not.toContain(secret);
  expect(tab.problems).toEqual([]);
});

test.each([
  ["phone", { width: 360, height: 740, isPhone: true }],
  ["dark screen", { isDark: true }],
])("the page fits a %s, and its text has enough contrast", async (_where, view) => {
  source.member("kitchen").state = "dead";
  source.state.warnings = [{ code: "member.dead", message: "kitchen is gone", hint: "look at its power", since: 0 }];
  const { url } = await serve("full");
  const tab = await browser.open(url, view);
  await tab.until(`document.querySelectorAll("#members ~ * tbody tr").length === 3`);
  expect(await tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
  expect(await tab.evaluate<string[]>(lowContrast)).toEqual([]);
});

test("the keyboard reaches the tables, and every picture has a label", async () => {
  const { url } = await serve("full");
  const tab = await browser.open(url);
  await tab.until(`document.querySelector(".scroll")`);
  await tab.press("Tab");
  expect(await tab.evaluate("document.activeElement.className")).toBe("scroll");
  expect(
    await tab.evaluate(`[...document.querySelectorAll("svg")].every((svg) => svg.getAttribute("aria-label"))`),
  ).toBe(true);
  expect(
    await tab.evaluate(`document.querySelectorAll("h1").length === 1 && document.documentElement.lang === "en"`),
  ).toBe(true);
});

test("a picture of the page is small; `npm run picture` puts it where the README shows it", async () => {
  const { members } = source.state;
  for (const [name, letter] of [
    ["pantry", "d"],
    ["study", "e"],
  ] as const) {
    const id = letter.repeat(26);
    members.push({
      ...source.member("kitchen"),
      id,
      name,
      address: `fd12:3456:789a:0:9a1c:77${letter}1:90ab:c${letter}ef`,
    });
  }
  for (const { id, name } of members) {
    const others = members.filter((other) => other.id !== id);
    source.member(name).peers = others.map((other) => ({
      id: other.id,
      path: "sameLink",
      handshakeAgeS: 40,
      rttMs: 0.4 + ((id.charCodeAt(0) * other.id.charCodeAt(0)) % 31) / 10,
    }));
  }
  source.member("study").peers = [];
  const { url } = await serve("full");
  const tab = await browser.open(url, { width: 1100, height: 1120 });
  await tab.until(`document.querySelectorAll("#metrics ~ * tbody tr").length === ${members.length}`);
  for (let sample = 2; sample <= 12; sample++) {
    for (const [at, { name }] of members.entries()) {
      const wave = 1 + Math.sin(sample * 0.7 + at);
      source.measure(name, {
        at: Date.now() + sample,
        cpu: 0.04 + 0.05 * wave,
        meshRx: Math.round(300_000 + sample * 9_000 + wave * 4_000),
      });
    }
    const curve = `document.querySelector("#metrics ~ * .spark polyline")?.getAttribute("points").split(" ").length`;
    await tab.until(`${curve} >= ${sample}`);
  }
  const picture = await tab.screenshot();
  expect(picture.subarray(8, 12).toString()).toBe("WEBP");
  expect(picture.length).toBeLessThan(100_000);
  if (process.env["HAMLET_PICTURE"]) {
    await writeFile(new URL("../../dashboard/page/picture.webp", import.meta.url), picture);
  }
});

/** The texts whose contrast with their background is below 4.5 (WCAG 2.2, 1.4.3). */
const lowContrast = `(() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && !element.closest("svg"))
    .filter((element) => {
      const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    })
    .map((element) => element.textContent);
})()`;
