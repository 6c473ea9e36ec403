// Test program: a web server for a folder, with ranges. `node web-host.ts <folder> <port>`. It keeps no count: the kernel counts what
// its network card sends.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";

const [folder = "", port = "80"] = process.argv.slice(2);
const server = createServer(async (request, response) => {
  response.on("error", () => {});
  const path = join(folder, normalize(`/${request.url}`));
  const size = await stat(path).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) return void response.writeHead(404).end();
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const start = Number(first ?? 0);
  const end = last ? Math.min(Number(last), size - 1) : size - 1;
  const range = first === undefined ? {} : { "content-range": `bytes ${start}-${end}/${size}` };
  response.writeHead(first === undefined ? 200 : 206, { "content-length": end - start + 1, ...range });
  createReadStream(path, { start, end })
    .on("error", () => response.destroy())
    .pipe(response);
});
server.listen(Number(port), "0.0.0.0", () => console.log("serves"));
