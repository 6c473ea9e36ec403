// Drives a real Chromium over its DevTools protocol through a pipe.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { eventually } from "../eventually.ts";

export type View = { width?: number; height?: number; isDark?: boolean; isPhone?: boolean };
export type Tab = {
  /** Evaluates an expression in the page and awaits a promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** Polls until the expression is true; the limit is for an idle machine. */
  until(expression: string, withinMs?: number): Promise<void>;
  press(key: string): Promise<void>;
  /** A WebP of the whole page. */
  screenshot(): Promise<Buffer>;
  /** Console errors, uncaught exceptions, refused loads, violations of the content policy. */
  problems: string[];
  /** The URLs that the page requested, except data: URLs. */
  requests: string[];
};
export type Browser = { open(url: string, view?: View): Promise<Tab>; [Symbol.asyncDispose](): Promise<void> };

type Message = {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
  sessionId?: string;
};

export async function startBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "hamlet-browser-"));
  const chromium = spawn(
    "chromium",
    [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
      ...["--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"],
    ],
    // The browser reads commands from fd 3 and answers on fd 4. It ends with this process, however that ends.
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const ended = new Promise<void>((resolve) => chromium.once("exit", () => resolve()));
  const commands = chromium.stdio[3] as Writable;
  const answers = chromium.stdio[4] as Readable;
  commands.on("error", () => {});
  let calls = 0;
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Map<string, (method: string, params: Record<string, unknown>) => void>();
  const receive = (text: string) => {
    const message = JSON.parse(text) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    else if (message.method) listeners.get(message.sessionId ?? "")?.(message.method, message.params ?? {});
  };
  let unread = "";
  answers.setEncoding("utf8").on("data", (text: string) => {
    const parts = (unread + text).split("\0");
    unread = parts.pop() ?? "";
    for (const part of parts) receive(part);
  });
  const call = <T>(method: string, params: object = {}, sessionId?: string): Promise<T> =>
    new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id);
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result as T);
      });
      commands.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    });

  return {
    async open(url, { width = 1280, height = 900, isDark = false, isPhone = false } = {}) {
      const { targetId } = await call<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await call<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
      const ask = <T>(method: string, params?: object) => call<T>(method, params, sessionId);
      const [problems, requests]: [string[], string[]] = [[], []];
      listeners.set(sessionId, (method, params) => hear(method, params, problems, requests));
      for (const domain of ["Page", "Runtime", "Log", "Network"]) await ask(`${domain}.enable`);
      await ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: isPhone });
      const features = [{ name: "prefers-color-scheme", value: isDark ? "dark" : "light" }];
      await ask("Emulation.setEmulatedMedia", { features });
      await ask("Page.navigate", { url });
      const tab: Tab = {
        problems,
        requests,
        async evaluate(expression) {
          type Answer = { result: { value: never }; exceptionDetails?: { text: string } };
          const answer = await ask<Answer>("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
          if (answer.exceptionDetails) throw new Error(`${expression}: ${answer.exceptionDetails.text}`);
          return answer.result.value;
        },
        async until(expression, withinMs = 10_000) {
          const isTrue = async () => {
            if (!(await tab.evaluate<boolean>(`Boolean(${expression})`))) throw new Error(`never true: ${expression}`);
          };
          await eventually(isTrue, { within: withinMs, every: 30 });
        },
        async press(key) {
          for (const type of ["keyDown", "keyUp"]) await ask("Input.dispatchKeyEvent", { type, key, code: key });
        },
        async screenshot() {
          const format = { format: "webp", quality: 80, captureBeyondViewport: true };
          const { data } = await ask<{ data: string }>("Page.captureScreenshot", format);
          return Buffer.from(data, "base64");
        },
      };
      return tab;
    },
    async [Symbol.asyncDispose]() {
      call("Browser.close").catch(() => {});
      const late = setTimeout(() => chromium.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(late);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function hear(method: string, params: Record<string, unknown>, problems: string[], requests: string[]): void {
  const at = params as {
    type?: string;
    args?: { value?: unknown; description?: string }[];
    exceptionDetails?: { text: string; exception?: { description?: string } };
    entry?: { level: string; text: string };
    request?: { url: string };
  };
  if (method === "Runtime.consoleAPICalled" && (at.type === "error" || at.type === "warning")) {
    problems.push(`console.${at.type}: ${at.args?.map((arg) => arg.value ?? arg.description).join(" ")}`);
  }
  if (method === "Runtime.exceptionThrown") {
    problems.push(at.exceptionDetails?.exception?.description ?? at.exceptionDetails?.text ?? "exception");
  }
  if (method === "Log.entryAdded" && at.entry?.level === "error") problems.push(at.entry.text);
  if (method === "Network.requestWillBeSent" && at.request && !at.request.url.startsWith("data:")) {
    requests.push(at.request.url);
  }
}
