// The web servers that people put a repository on, each as a process of its own on loopback, serving a folder.
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../image/lab/machine/machine.ts";
import { startDaemon } from "../../../system/program.ts";

export type Server = AsyncDisposable & {
  url: string;
  /** Each request for a path that begins so: its status. */
  statuses(path: string): number[];
};

/** nginx with its defaults. `work` is a folder for its own files. */
export async function startNginx(served: string, work: string): Promise<Server> {
  const port = await freePort();
  const log = join(work, "access.log");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${work}/${name};`)
    .join(" ");
  const config = join(work, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; user ${userInfo().username}; pid ${work}/pid; error_log ${work}/error.log; events {}
http { ${temporary} log_format short "$status $request_uri"; access_log ${log} short;
  server { listen 127.0.0.1:${port}; root "${served}"; } }\n`,
  );
  const argv = ["nginx", "-e", join(work, "error.log"), "-c", config] as const;
  return startServer(argv, port, () =>
    readFileSync(log, "utf8")
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
}

/** Python's own, which sends files whole only. */
export async function startPython(served: string, work: string): Promise<Server> {
  const port = await freePort();
  const lines: string[] = [];
  const argv = ["python3", "-m", "http.server", String(port), "--bind", "127.0.0.1", "--directory", served] as const;
  const onStderrLine = (line: string) => void lines.push(line);
  return startServer(
    argv,
    port,
    () =>
      lines.map((line) => {
        const [, path = "", status = ""] = /"GET (\S+) \S+" (\d+)/.exec(line) ?? [];
        return [status, path];
      }),
    { cwd: work, onStderrLine },
  );
}

async function startServer(
  argv: Parameters<typeof startDaemon>[0],
  port: number,
  requests: () => [status: string, path: string][],
  options: { cwd?: string; onStderrLine?: (line: string) => void } = {},
): Promise<Server> {
  const isReady = () => isListening(port);
  const server = await startDaemon(argv, { ...options, isReady, onOurDeath: "KILL" });
  return {
    url: `http://127.0.0.1:${port}`,
    statuses: (wanted) =>
      requests()
        .filter(([, path = ""]) => path.startsWith(wanted))
        .map(([status]) => Number(status)),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
